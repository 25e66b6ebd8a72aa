import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RankDistillmError } from '../../src/errors.js';
import { rankEnvironment } from '../../src/ranks/environment.js';

const test = suite('variables of launchers');

test('torchrun: its agent holds the store', () => {
  // printed by torchrun 2.x (--nnodes 2 --nproc-per-node 2) for the last process
  const variables = {
    LOCAL_RANK: '1',
    RANK: '3',
    GROUP_RANK: '1',
    ROLE_RANK: '3',
    LOCAL_WORLD_SIZE: '2',
    WORLD_SIZE: '4',
    GROUP_WORLD_SIZE: '2',
    MASTER_ADDR: 'node0',
    MASTER_PORT: '29400',
    TORCHELASTIC_RESTART_COUNT: '1',
    TORCHELASTIC_MAX_RESTARTS: '3',
    TORCHELASTIC_RUN_ID: 'job',
    TORCHELASTIC_USE_AGENT_STORE: 'True',
  };
  assert.equal(rankEnvironment(variables), {
    launcher: 'torchrun',
    rank: 3,
    ranks: 4,
    localRank: 1,
    localRanks: 2,
    host: 'node0',
    port: 29400,
    serves: false,
    attempt: '1',
  });
  assert.is(rankEnvironment({ ...variables, RANK: '0', LOCAL_RANK: '0' })?.serves, false);
});

test("Kubeflow's PyTorchJob, one rank a pod: plain variables", () => {
  const variables = { MASTER_ADDR: 'job-master-0', MASTER_PORT: '23456', WORLD_SIZE: '2', RANK: '0' };
  assert.equal(rankEnvironment(variables), {
    launcher: 'variables',
    rank: 0,
    ranks: 2,
    localRank: 0,
    localRanks: 1,
    host: 'job-master-0',
    port: 23456,
    serves: true,
    attempt: '0',
  });
});

test('SLURM: below srun, by the first node and a port of the job, as in Lightning', () => {
  const variables = {
    SLURM_JOB_ID: '1234567',
    SLURM_JOB_NAME: 'train',
    SLURM_STEP_ID: '0',
    SLURM_STEP_NUM_TASKS: '8',
    SLURM_STEP_NUM_NODES: '2',
    SLURM_STEP_NODELIST: 'gpu[05-06],other1',
    SLURM_NTASKS: '8',
    SLURM_PROCID: '5',
    SLURM_LOCALID: '1',
  };
  assert.equal(rankEnvironment(variables), {
    launcher: 'SLURM',
    rank: 5,
    ranks: 8,
    localRank: 1,
    localRanks: 4,
    host: 'gpu05',
    port: 19567,
    serves: false,
    attempt: '0',
  });
  const other = rankEnvironment({ ...variables, MASTER_ADDR: 'head', MASTER_PORT: '1234' });
  assert.equal([other?.host, other?.port], ['head', 1234]);
  for (const [list, first] of [
    ['node1', 'node1'],
    ['a7,b[1-3]', 'a7'],
    ['rack[2,4-7]-x', 'rack2-x'],
  ] as const) {
    assert.is(rankEnvironment({ ...variables, SLURM_STEP_NODELIST: list })?.host, first);
  }
});

test('no ranks: alone, one of one, the script of sbatch, an interactive shell', () => {
  assert.is(rankEnvironment({}), undefined);
  assert.is(rankEnvironment({ RANK: '0', WORLD_SIZE: '1' }), undefined);
  const batch = { SLURM_JOB_ID: '7', SLURM_NTASKS: '4', SLURM_PROCID: '0', SLURM_LOCALID: '0' };
  assert.is(rankEnvironment(batch), undefined);
  const shell = { ...batch, SLURM_STEP_ID: '0', SLURM_JOB_NAME: 'bash' };
  assert.is(rankEnvironment(shell), undefined);
});

test('Open MPI: on one host without an address, on several with one', () => {
  const variables = {
    OMPI_COMM_WORLD_RANK: '1',
    OMPI_COMM_WORLD_SIZE: '2',
    OMPI_COMM_WORLD_LOCAL_RANK: '1',
    OMPI_COMM_WORLD_LOCAL_SIZE: '2',
  };
  const found = rankEnvironment(variables);
  assert.equal([found?.launcher, found?.rank, found?.host, found?.port], ['Open MPI', 1, '127.0.0.1', 29500]);
  const several = { ...variables, OMPI_COMM_WORLD_LOCAL_SIZE: '1', OMPI_COMM_WORLD_LOCAL_RANK: '0' };
  assert.throws(() => rankEnvironment(several), /^MASTER_ADDR is not set/);
});

for (const [variables, message] of [
  [{ WORLD_SIZE: '2' }, /^RANK is not set/],
  [{ RANK: 'x', WORLD_SIZE: '2' }, /^RANK: expected a whole number, received 'x'/],
  [{ RANK: '1', WORLD_SIZE: '2' }, /^MASTER_ADDR is not set/],
  [{ RANK: '2', WORLD_SIZE: '2', MASTER_ADDR: 'a' }, /contradict each other: rank 2 of 2 ranks/],
  [{ RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'a', MASTER_PORT: '70000' }, /port 70000/],
] as const) {
  test(`refused: ${JSON.stringify(variables)}`, () => {
    assert.throws(
      () => rankEnvironment(variables),
      (error: RankDistillmError) => error.code === 'bad_input' && message.test(error.message),
    );
  });
}

test.run();
