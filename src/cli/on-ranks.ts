import { Writable } from 'node:stream';
import type { Config } from '../config/schema/schema.js';
import { SettingError } from '../config/setting-error.js';
import { listDevices } from '../io/load-binding.js';
import { rankEnvironment, type RankEnvironment } from '../ranks/environment.js';
import { isFirst, RankGroup } from '../ranks/rank-group.js';
import type { CliIo } from './cli-io.js';
import { launchRanks, type Launch } from './launch.js';
import { namedDevices } from './shared-settings.js';

type TrainerConfig = Config['trainer'];

/** The end of a command whose ranks have said why. */
export class RanksEnded extends Error {
  constructor(readonly exitCode: number) {
    super(`ranks ended with ${exitCode}`);
  }
}

/**
 * Does the work of a command: as one of several ranks where a launcher started this process as that, else by starting the
 * ranks that `trainer.devices` asks for, else alone. Only rank 0 says something.
 *
 * @param argv the command line, for ranks to start
 * @throws RanksEnded after ranks that were started here and failed
 */
export async function onRanks(
  trainer: TrainerConfig,
  argv: readonly string[],
  io: CliIo,
  work: (group: RankGroup | undefined, io: CliIo) => Promise<void>,
): Promise<void> {
  const environment = rankEnvironment(io.env);
  if (environment !== undefined) {
    checkCount(trainer, environment);
    return asRank(environment, trainer, io, work);
  }
  const launch = launchOf(trainer, io.env);
  if (launch === undefined) return work(undefined, io);
  const code = await launchRanks(argv, launch, io);
  if (code !== 0) throw new RanksEnded(code);
}

async function asRank(
  environment: RankEnvironment,
  { rank_timeout: timeoutSeconds }: TrainerConfig,
  io: CliIo,
  work: (group: RankGroup, io: CliIo) => Promise<void>,
): Promise<void> {
  const group = await RankGroup.join(environment, { timeoutSeconds, signal: io.signal });
  try {
    await work(group, isFirst(group) ? io : { ...io, stdout: nowhere(), stderr: nowhere() });
    await group.close();
  } catch (error) {
    group.fail(error);
    throw error;
  }
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** Ranks of this host, by Lightning's rules: GPUs, or processes on the CPU. */
function countOf({ accelerator, devices }: TrainerConfig): number {
  const named = namedDevices(devices);
  if (named !== 'auto' && named !== 'all') return Array.isArray(named) ? named.length : named;
  if (accelerator === 'cpu') return 1;
  return Math.max(1, listDevices('auto').filter((device) => device !== 'cpu').length);
}

function launchOf(trainer: TrainerConfig, env: CliIo['env']): Launch | undefined {
  const { num_nodes: nodes } = trainer;
  const localRanks = countOf(trainer);
  if (localRanks * nodes === 1) return undefined;
  if (nodes === 1) return { localRanks, node: 0, nodes };
  const node = Number(env['NODE_RANK'] ?? env['GROUP_RANK']);
  if (Number.isInteger(node) && node >= 0 && node < nodes && env['MASTER_ADDR'] && env['MASTER_PORT']) {
    return { localRanks, node, nodes };
  }
  throw new SettingError(['trainer', 'num_nodes'], `this is one of ${nodes} hosts, but nothing says which`, {
    hint: `Start it on each host by torchrun or srun, or with MASTER_ADDR, MASTER_PORT and NODE_RANK (0 to ${nodes - 1}) set.`,
  });
}

/** Lightning refuses the same. */
function checkCount({ devices, num_nodes: nodes }: TrainerConfig, { launcher, ranks }: RankEnvironment): void {
  const named = namedDevices(devices);
  if (named === 'auto' || named === 'all') return;
  const expected = (Array.isArray(named) ? named.length : named) * nodes;
  if (expected === ranks) return;
  const by = launcher === 'variables' ? 'WORLD_SIZE is' : `${launcher} started`;
  const what = `asks for ${expected} ranks on ${nodes} hosts, but ${by} ${ranks}`;
  throw new SettingError(['trainer', 'devices'], what, {
    hint: 'Set trainer.devices to auto: the launcher decides. Or set devices (ranks of a host) and num_nodes as it was told.',
  });
}
