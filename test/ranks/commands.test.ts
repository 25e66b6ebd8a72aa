import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../src/cli/launch.js';
import { rankLabel, rankVariables } from '../../src/ranks/environment.js';
import { run } from '../support/cli.js';
import { writeLongCollection, writeTrainingCollection } from '../support/collections.js';
import { inFolder, useOwnCache } from '../support/files.js';
import { PROGRAM, start } from '../support/programs.js';
import {
  hasRanks,
  plainVariables,
  runRanks,
  startProgram,
  startRanks,
  type Rank,
  type RankOptions,
} from '../support/ranks.js';

const test = suite('commands on several ranks');
useOwnCache(test);

const VERSION = 'out/lightning_logs/version_0';
const FIT = [
  'fit',
  '--config',
  'config.yaml',
  '--trainer.accelerator=cpu',
  '--trainer.threads=1',
  '--trainer.logger=CSVLogger',
];
const STEPS = ['--trainer.max_steps=4', '--data.inference_datasets=null'];

const slurm: RankOptions['variables'] = (rank, ranks, port) => ({
  SLURM_JOB_ID: '7',
  SLURM_STEP_ID: '0',
  SLURM_STEP_NUM_TASKS: String(ranks),
  SLURM_STEP_NUM_NODES: '1',
  SLURM_STEP_NODELIST: '127.0.0.1',
  SLURM_PROCID: String(rank),
  SLURM_LOCALID: String(rank),
  MASTER_PORT: String(port),
});

const openMpi: RankOptions['variables'] = (rank, ranks, port) => ({
  OMPI_COMM_WORLD_RANK: String(rank),
  OMPI_COMM_WORLD_SIZE: String(ranks),
  OMPI_COMM_WORLD_LOCAL_RANK: String(rank),
  OMPI_COMM_WORLD_LOCAL_SIZE: String(ranks),
  MASTER_PORT: String(port),
});

/** The losses of a run by step. */
function losses(folder: string, version = VERSION): Map<number, number> {
  const [head = '', ...rows] = readFileSync(join(folder, version, 'metrics.csv'), 'utf8')
    .trim()
    .split('\n');
  const [step, loss] = ['step', 'loss'].map((name) => head.split(',').indexOf(name)) as [number, number];
  const cells = rows.map((row) => row.split(',')).filter((row) => row[loss] !== '');
  return new Map(cells.map((row) => [Number(row[step]), Number(row[loss])]));
}

/** Each loss hangs on the samples of its step and on all steps before. */
function assertClose(found: Map<number, number>, expected: Map<number, number>): void {
  assert.ok(found.size > 0);
  for (const [step, loss] of found) {
    const other = expected.get(step)!;
    assert.ok(Math.abs(loss - other) <= 1e-4 * Math.abs(other), `step ${step}: ${loss}, not ${other}`);
  }
}

if (hasRanks()) {
  for (const [what, variables] of [
    ['plain variables', undefined],
    ["SLURM's variables", slurm],
    ["Open MPI's variables", openMpi],
  ] as const) {
    test(`fit on two ranks by ${what} trains the model of one with the whole batch`, () =>
      inFolder(async (folder) => {
        await writeTrainingCollection(folder);
        const batch = (size: number): string => `--data.train_batch_size=${size}`;
        const ended = await runRanks(2, [...FIT, ...STEPS, batch(1)], {
          cwd: folder,
          ...(variables && { variables }),
        });
        for (const { code, stderr } of ended) assert.is(code, 0, stderr);
        assert.match(ended[0]!.stderr, /2 samples, \d+ pairs on 2 ranks/);
        assert.is(ended[1]!.stderr, '');
        assert.equal(readdirSync(join(folder, 'out/lightning_logs')), ['version_0']);
        const alone = await run([...FIT, ...STEPS, batch(2), '--trainer.default_root_dir=alone'], { cwd: folder });
        assert.is(alone.code, 0, alone.stderr);
        assertClose(losses(folder), losses(folder, 'alone/lightning_logs/version_0'));
      }));
  }

  test('fit starts its ranks itself where devices asks for them, and validates on all', () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      const steps = ['--trainer.max_steps=4', '--data.train_batch_size=1'];
      const { code, stdout, stderr } = await start([...FIT, ...steps, '--trainer.devices=2'], folder);
      assert.is(code, 0, stderr);
      const alone = await run(
        [...FIT, '--trainer.max_steps=4', '--data.train_batch_size=2', '--trainer.default_root_dir=alone'],
        { cwd: folder },
      );
      assert.is(alone.code, 0, alone.stderr);
      assert.is(stdout, alone.stdout);
      assertClose(losses(folder), losses(folder, 'alone/lightning_logs/version_0'));
    }));

  test('torchrun --no-python starts ranks', () =>
    inFolder(async (folder) => {
      const torchrun = process.env['RANK_DISTILLM_TORCHRUN'];
      if (!torchrun) return console.log('left out: needs RANK_DISTILLM_TORCHRUN, the torchrun of a venv with torch');
      await writeTrainingCollection(folder);
      const program = [...PROGRAM, ...FIT, ...STEPS];
      execFileSync(torchrun, ['--standalone', '--nproc-per-node', '2', '--no-python', ...program], {
        cwd: folder,
        stdio: 'pipe',
      });
      assert.ok(losses(folder).size > 0);
    }));

  test('a run of one rank continues on two with the same batch as if nothing had changed', () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      const to = (steps: number, ...more: string[]): string[] => [
        ...FIT,
        '--data.inference_datasets=null',
        `--trainer.max_steps=${steps}`,
        ...more,
      ];
      const first = await run(to(3, '--data.train_batch_size=2'), { cwd: folder });
      assert.is(first.code, 0, first.stderr);
      const on = to(6, '--data.train_batch_size=1', '--ckpt_path=last');
      for (const { code, stderr } of await runRanks(2, [...on], { cwd: folder })) assert.is(code, 0, stderr);
      const whole = await run(to(6, '--data.train_batch_size=2', '--trainer.default_root_dir=whole'), { cwd: folder });
      assert.is(whole.code, 0, whole.stderr);
      assertClose(losses(folder, 'out/lightning_logs/version_1'), losses(folder, 'whole/lightning_logs/version_0'));
    }));

  test('ranks that differ are told before the first step', () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      const port = await freePort();
      const ranks = await Promise.all(
        [0, 1].map((rank) =>
          start([...FIT, ...STEPS, `--optimizer.lr=${rank === 0 ? '1e-3' : '2e-3'}`], folder, {
            env: rankVariables({ rank, ranks: 2, localRank: rank, localRanks: 2, host: '127.0.0.1', port }),
          }),
        ),
      );
      for (const { code, stderr } of ranks) {
        assert.is(code, 2, stderr);
        assert.match(stderr, /rank 1 \(\S+\) does not do the same as rank 0 \(\S+\): lr is 0.002, not 0.001/);
      }
    }));

  /** Ranks that train until something ends them, in the middle of their work. */
  async function training(folder: string, ranks: number): Promise<Rank[]> {
    await writeTrainingCollection(folder);
    const endless = ['--trainer.max_steps=10000000', '--data.inference_datasets=null', '--trainer.rank_timeout=6'];
    const started = await startRanks(ranks, [...FIT, ...endless], { cwd: folder });
    let ended = false;
    void Promise.race(started.map((rank) => rank.ended)).then(() => (ended = true));
    const log = join(folder, VERSION, 'metrics.csv');
    while (!ended && !(existsSync(log) && losses(folder).size > 0)) await sleep(20);
    return started;
  }

  async function assertName(culprit: number, pid: number | undefined, others: readonly Rank[]): Promise<void> {
    for (const { code, stderr } of await Promise.all(others.map(({ ended }) => ended))) {
      assert.is(code, 1, stderr);
      const errors = stderr.match(/^error: .*$/gm) ?? [];
      assert.is(errors.length, 1, stderr);
      assert.ok(errors[0]!.includes(rankLabel(culprit, pid)), stderr);
    }
  }

  test('rank 0, which has the store, is named by the others when it is killed', () =>
    inFolder(async (folder) => {
      const [first, ...others] = await training(folder, 3);
      first!.child.kill('SIGKILL');
      await assertName(0, first!.child.pid, others);
    }));

  test('a killed rank is named also by a rank that looks only when rank 0, which has the store, has found it', () =>
    inFolder(async (folder) => {
      const [first, killed, other, late] = (await training(folder, 4)) as [Rank, Rank, Rank, Rank];
      killed.child.kill('SIGKILL');
      await sleep(1000); // some beats later, so that it is not the first that was silent for long
      late.child.kill('SIGSTOP');
      await assertName(1, killed.child.pid, [other]);
      await Promise.race([first.ended, sleep(700)]); // it waits longer for those that were not told
      late.child.kill('SIGCONT');
      await assertName(1, killed.child.pid, [first, late]);
    }));

  /** Some of `ranks` ranks, which wait for the others: they have come to the store of rank 0. */
  async function waiting(folder: string, ranks: number, those: readonly number[]): Promise<Rank[]> {
    await writeTrainingCollection(folder);
    const port = await freePort();
    const variables = (rank: number): Record<string, string> =>
      rankVariables({ rank, ranks, localRank: rank, localRanks: ranks, host: '127.0.0.1', port });
    const argv = [...PROGRAM, ...FIT, ...STEPS, '--trainer.rank_timeout=6'];
    const started = those.map((rank) => startProgram(argv, folder, variables(rank)));
    while (connectionsTo(port) < those.length) await sleep(20);
    return started;
  }

  /** TCP connections of this machine to a port. */
  function connectionsTo(port: number): number {
    const lines = ['tcp', 'tcp6'].flatMap((name) => readFileSync(`/proc/net/${name}`, 'utf8').split('\n'));
    const [remote, established] = [`:${port.toString(16).toUpperCase().padStart(4, '0')}`, '01'];
    const fields = lines.map((line) => line.trim().split(/\s+/));
    return fields.filter((each) => each[2]?.endsWith(remote) && each[3] === established).length;
  }

  test('a rank that waits for others to come names rank 0 when it is killed', () =>
    inFolder(async (folder) => {
      const [first, other] = await waiting(folder, 3, [0, 1]);
      first!.child.kill('SIGKILL');
      const { code, stderr } = await other!.ended;
      assert.not.equal(code, 0);
      assert.match(stderr, /^error: .*\brank 0\b/m);
    }));

  test('a rank that waits for others to come ends on SIGTERM', () =>
    inFolder(async (folder) => {
      const [first] = await waiting(folder, 2, [0]);
      first!.child.kill('SIGTERM');
      const { code, stderr } = await first!.ended;
      assert.is(code, 130, stderr);
      assert.match(stderr, /^interrupted$/m);
    }));

  /** Node.js runs this first. */
  const preloaded = (script: string): { NODE_OPTIONS: string } => ({
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}`,
  });

  for (const [what, signal] of [
    ['dies', 'SIGKILL'],
    ['hangs', 'SIGSTOP'],
  ] as const) {
    test(`the launcher names a rank that ${what} when the work is done`, () =>
      inFolder(async (folder) => {
        await writeTrainingCollection(folder);
        const end = `if (process.env.RANK === '1') process.on('exit', () => process.kill(process.pid, '${signal}'));`;
        const { code, stderr } = await start([...FIT, ...STEPS, '--trainer.devices=2'], folder, {
          env: preloaded(end),
        });
        assert.is(code, 137, stderr);
        assert.is(losses(folder).size, 4);
        assert.match(stderr, /^error: rank 1 \(\S+, process \d+\) ended with exit code 137$/m);
      }));
  }

  test('a rank ends though another hangs after its last model', () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      const look = `const { existsSync } = await import('node:fs');
        const written = 'out/lightning_logs/version_0/huggingface_checkpoint';
        if (process.env.RANK === '0') setInterval(() => existsSync(written) && process.kill(process.pid, 'SIGSTOP'), 1).unref();`;
      const ranks = await startRanks(2, [...FIT, ...STEPS, '--trainer.rank_timeout=6'], {
        cwd: folder,
        variables: (rank, count, port) => ({ ...plainVariables(rank, count, port), ...preloaded(look) }),
      });
      const { code, stderr } = await ranks[1]!.ended;
      ranks[0]!.child.kill('SIGKILL');
      // it had come to the end as well, or rank 1 did not know
      if (code !== 0) assert.match(stderr, /^error: .*\brank 0\b/m);
    }));

  const RUN = '__bm25__tiny-set.run';
  const reRank = (to: string): string[] => [
    're_rank',
    '--config',
    'config.yaml',
    '--trainer.accelerator=cpu',
    '--trainer.threads=1',
    `--trainer.callbacks+={class_path: ReRankCallback, init_args: {save_dir: ${to}}}`,
  ];

  test('re_rank on three ranks writes the bytes of one process', () =>
    inFolder(async (folder) => {
      await writeLongCollection(folder, 40);
      const alone = await run(reRank('alone'), { cwd: folder });
      assert.is(alone.code, 0, alone.stderr);
      const ended = await runRanks(3, [...reRank('divided')], { cwd: folder });
      for (const { code, stderr } of ended) assert.is(code, 0, stderr);
      assert.is(ended[0]!.stdout, alone.stdout);
      const bytes = (name: string): Buffer => readFileSync(join(folder, name, RUN));
      assert.ok(bytes('divided').equals(bytes('alone')));
      assert.equal(readdirSync(join(folder, 'divided')).sort(), [RUN, `${RUN}.json`]);
    }));

  test('re_rank scores what a rank has taken that hangs', () =>
    inFolder(async (folder) => {
      await writeLongCollection(folder, 600);
      const alone = await run(reRank('alone'), { cwd: folder });
      assert.is(alone.code, 0, alone.stderr);
      const ranks = await startRanks(2, [...reRank('divided'), '--trainer.rank_timeout=600'], { cwd: folder });
      let ended = false;
      void Promise.race(ranks.map((rank) => rank.ended)).then(() => (ended = true));
      const until = async (isThere: () => boolean): Promise<void> => {
        while (!ended && !isThere()) await sleep(20);
      };
      const journal = join(folder, 'divided', `.${RUN}.partial`);
      await until(() => existsSync(journal) && statSync(journal).size > 4096);
      ranks[1]!.child.kill('SIGSTOP');
      await until(() => existsSync(join(folder, 'divided', `${RUN}.json`)));
      assert.not.ok(ended);
      ranks[1]!.child.kill('SIGCONT');
      for (const { code, stderr } of await Promise.all(ranks.map((rank) => rank.ended))) assert.is(code, 0, stderr);
      const bytes = (name: string): Buffer => readFileSync(join(folder, name, RUN));
      assert.ok(bytes('divided').equals(bytes('alone')));
    }));
}

test.run();
