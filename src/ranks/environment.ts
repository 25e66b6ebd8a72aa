import { hostname } from 'node:os';
import { RankDistillmError } from '../errors.js';

/** This process among those that one start made, as its launcher says in environment variables. */
export interface RankEnvironment {
  /** What launched it. */
  launcher: 'torchrun' | 'SLURM' | 'Open MPI' | 'variables';
  /** 0-based. */
  rank: number;
  /** Number of ranks. */
  ranks: number;
  /** Number among the ranks of this host. */
  localRank: number;
  /** Ranks of this host. */
  localRanks: number;
  /** Address and port of the store over which ranks find each other. */
  host: string;
  port: number;
  /** Whether this process holds the store. */
  serves: boolean;
  /** Tells starts apart that use one store after the other. */
  attempt: string;
}

/** How errors name a rank of this host. */
export function rankLabel(rank: number, pid: number | undefined): string {
  return `rank ${rank} (${hostname()}, process ${pid})`;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The variables that torchrun sets for a rank, as `rankEnvironment` reads them. */
export function rankVariables(
  place: Pick<RankEnvironment, 'rank' | 'ranks' | 'localRank' | 'localRanks'> & { host: string; port: number | string },
): Record<string, string> {
  return {
    RANK: String(place.rank),
    WORLD_SIZE: String(place.ranks),
    LOCAL_RANK: String(place.localRank),
    LOCAL_WORLD_SIZE: String(place.localRanks),
    MASTER_ADDR: place.host,
    MASTER_PORT: String(place.port),
  };
}

/** torch's default. */
const DEFAULT_PORT = 29500;
/** Lightning's where a SLURM job has no number. */
const SLURM_PORT = 12910;
const SLURM_FIRST_PORT = 15000;

/**
 * Reads the variables of torchrun (which Kubeflow's PyTorchJob sets, too), SLURM's srun and Open MPI's mpirun, as
 * Lightning does.
 *
 * @returns undefined for a process of its own
 * @throws RankDistillmError `bad_input` that names the variable
 */
export function rankEnvironment(env: Readonly<Record<string, string | undefined>>): RankEnvironment | undefined {
  const found = fromTorchrun(env) ?? fromSlurm(env) ?? fromOpenMpi(env);
  return found === undefined || found.ranks === 1 ? undefined : checked(found);
}

function checked(found: RankEnvironment): RankEnvironment {
  const { launcher, rank, ranks, localRank, localRanks, port } = found;
  const wrong =
    rank >= ranks
      ? `rank ${rank} of ${ranks} ranks`
      : localRank >= localRanks
        ? `local rank ${localRank} of ${localRanks} ranks of this host`
        : port > 65535
          ? `port ${port}`
          : undefined;
  if (wrong === undefined) return found;
  throw new RankDistillmError('bad_input', `the variables of ${launcher} contradict each other: ${wrong}`, {
    hint: 'Ranks are counted from 0. Unset RANK, WORLD_SIZE and the like to run one process.',
  });
}

function fromTorchrun(env: Variables): RankEnvironment | undefined {
  if (isUnset(env, 'RANK') && isUnset(env, 'WORLD_SIZE')) return undefined;
  const ranks = number(env, 'WORLD_SIZE');
  if (ranks === 1) return undefined;
  const rank = number(env, 'RANK');
  const isTorchrun = !isUnset(env, 'TORCHELASTIC_RUN_ID');
  return {
    launcher: isTorchrun ? 'torchrun' : 'variables',
    rank,
    ranks,
    localRank: number(env, 'LOCAL_RANK', 0),
    // plain variables without it: hosts with one rank each
    localRanks: number(env, 'LOCAL_WORLD_SIZE', number(env, 'LOCAL_RANK', 0) + 1),
    host: text(env, 'MASTER_ADDR'),
    port: number(env, 'MASTER_PORT', isTorchrun ? undefined : DEFAULT_PORT),
    // the agent of torchrun holds a store already
    serves: rank === 0 && env['TORCHELASTIC_USE_AGENT_STORE'] !== 'True',
    attempt: env['TORCHELASTIC_RESTART_COUNT'] ?? '0',
  };
}

/** Only below srun: the script of sbatch, too, has the number of tasks. */
function fromSlurm(env: Variables): RankEnvironment | undefined {
  if (isUnset(env, 'SLURM_PROCID') || (isUnset(env, 'SLURM_STEP_ID') && isUnset(env, 'SLURM_STEPID'))) return undefined;
  if (['bash', 'interactive'].includes(env['SLURM_JOB_NAME'] ?? '')) return undefined;
  const ranks = number(env, 'SLURM_STEP_NUM_TASKS', number(env, 'SLURM_NTASKS', 1));
  const rank = number(env, 'SLURM_PROCID');
  const job = env['SLURM_JOB_ID'] ?? env['SLURM_JOBID'];
  const port = job === undefined ? SLURM_PORT : SLURM_FIRST_PORT + (Number(job.slice(-4)) || 0);
  const localRank = number(env, 'SLURM_LOCALID');
  const nodes = number(env, 'SLURM_STEP_NUM_NODES', number(env, 'SLURM_NNODES', 1));
  return {
    launcher: 'SLURM',
    rank,
    ranks,
    localRank,
    localRanks: Math.max(localRank + 1, Math.ceil(ranks / nodes)),
    host: env['MASTER_ADDR'] ?? firstNode(env['SLURM_STEP_NODELIST'] ?? env['SLURM_NODELIST'] ?? '127.0.0.1'),
    port: number(env, 'MASTER_PORT', port),
    serves: rank === 0,
    attempt: env['SLURM_STEP_ID'] ?? env['SLURM_STEPID'] ?? '0',
  };
}

/** `node[05-07,12],gpu1` → `node05` */
function firstNode(list: string): string {
  return list.replace(/\[([^,\]-]*)[^\]]*\]/, '$1').split(/[\s,]/)[0]!;
}

function fromOpenMpi(env: Variables): RankEnvironment | undefined {
  if (isUnset(env, 'OMPI_COMM_WORLD_RANK')) return undefined;
  const ranks = number(env, 'OMPI_COMM_WORLD_SIZE');
  const rank = number(env, 'OMPI_COMM_WORLD_RANK');
  const localRanks = number(env, 'OMPI_COMM_WORLD_LOCAL_SIZE', ranks);
  const isOneHost = localRanks === ranks;
  return {
    launcher: 'Open MPI',
    rank,
    ranks,
    localRank: number(env, 'OMPI_COMM_WORLD_LOCAL_RANK'),
    localRanks,
    host: isOneHost ? (env['MASTER_ADDR'] ?? '127.0.0.1') : text(env, 'MASTER_ADDR'),
    port: number(env, 'MASTER_PORT', DEFAULT_PORT),
    serves: rank === 0,
    attempt: '0',
  };
}

function isUnset(env: Variables, name: string): boolean {
  return (env[name] ?? '') === '';
}

function text(env: Variables, name: string): string {
  if (!isUnset(env, name)) return env[name]!;
  throw new RankDistillmError('bad_input', `${name} is not set, but variables of a launcher of several ranks are`, {
    hint: `Set ${name} to the address of rank 0's host, or unset RANK, WORLD_SIZE and the like to run one process.`,
  });
}

function number(env: Variables, name: string, otherwise?: number): number {
  if (isUnset(env, name) && otherwise !== undefined) return otherwise;
  const written = text(env, name);
  if (/^\d{1,9}$/.test(written)) return Number(written);
  throw new RankDistillmError('bad_input', `${name}: expected a whole number, received '${written}'`, {
    hint: `Correct the environment variable ${name}.`,
  });
}
