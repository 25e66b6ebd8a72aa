import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { RankDistillmError } from '../errors.js';
import { offlineVariable } from '../fetch/downloads.js';
import { hubCacheFolder } from '../fetch/hub.js';
import { assertWritable } from '../io/output-file.js';
import type { DoctorReport, HubReport, MachineReport } from './report.js';

export function machineReport(): MachineReport {
  const constrained = process.constrainedMemory() || Infinity;
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    allowedCpus: allowedCpus() ?? availableParallelism(),
    cgroupCpus: cgroupCpus(),
    memoryBytes: totalmem(),
    availableBytes: process.availableMemory(),
    cgroupBytes: constrained < totalmem() ? constrained : undefined,
  };
}

/** Content of a file of /proc or /sys; empty where there is none. */
function systemFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** CPUs of the affinity mask. `availableParallelism` is cut to the cgroup's quota in newer versions of Node.js. */
function allowedCpus(): number | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(systemFile('/proc/self/status'))?.[1];
  return list?.split(',').reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);
}

/** The quota that the engine goes by too, see native/core/cpu.cc. */
function cgroupCpus(): number | undefined {
  const [quota, period] = systemFile('/sys/fs/cgroup/cpu.max').split(/\s+/).map(Number);
  if (quota && period) return quota / period;
  const v1 = (name: string): number => Number(systemFile(`/sys/fs/cgroup/cpu/cpu.cfs_${name}_us`));
  return v1('quota') > 0 && v1('period') > 0 ? v1('quota') / v1('period') : undefined;
}

/** The driver's version and the GPUs it has, by the files of the kernel's driver: no library is loaded. */
export function nvidiaDriver(): { driver: string | undefined; names: string[] } {
  const folder = '/proc/driver/nvidia';
  const driver = /Kernel Module\D+([\d.]+)/.exec(systemFile(`${folder}/version`))?.[1];
  let gpus: string[] = [];
  try {
    gpus = readdirSync(`${folder}/gpus`);
  } catch {
    // no driver
  }
  const model = (gpu: string) => /^Model:\s*(.+)$/m.exec(systemFile(`${folder}/gpus/${gpu}/information`))?.[1];
  return { driver, names: gpus.flatMap((gpu) => model(gpu) ?? []) };
}

export async function hubReport(): Promise<HubReport> {
  const folder = hubCacheFolder();
  const entries = await readdir(folder).catch(() => []);
  const models = entries.filter((name) => name.startsWith('models--'));
  let bytes = 0;
  for (const model of models) {
    const blobs = join(folder, model, 'blobs');
    for (const blob of await readdir(blobs).catch(() => [])) {
      bytes += (await stat(join(blobs, blob)).catch(() => undefined))?.size ?? 0;
    }
  }
  const notWritable = await assertWritable(join(folder, 'probe')).then(
    () => undefined,
    (error: unknown) => (error as Error).message.replace(/^.*?: cannot write: /, ''),
  );
  return { folder, models: models.length, bytes, notWritable, offline: offlineVariable(true) };
}

/** What others of ours and of Hugging Face read; a token stays unread. */
const VARIABLES =
  /^(RANK_DISTILLM_\w+|HF_(HOME|HUB_CACHE|HUB_OFFLINE|ENDPOINT)|HUGGINGFACE_HUB_CACHE|TRANSFORMERS_OFFLINE|IR_DATASETS_HOME|XDG_CACHE_HOME)$/;

export function variables(): DoctorReport['variables'] {
  const set = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(set.filter(([name]) => VARIABLES.test(name)).sort());
}

/** Longer than any machine takes to load an addon and to compute a product. */
const HANGS_MS = 60_000;

/**
 * Loads the engine in a child process and lets it compute: a binary for another CPU ends its process.
 *
 * @throws RankDistillmError `native` if it ends that of the child
 */
export async function tryEngine(file: string): Promise<void> {
  const program = "require(process.argv[1]).gemmRate({ m: 8, n: 64, k: 64 }, 'float32', 1).then(() => process.exit(0))";
  const child = spawn(process.execPath, ['-e', program, file], { stdio: 'ignore', timeout: HANGS_MS });
  const signal = await new Promise<NodeJS.Signals | null>((resolve) => {
    child.on('error', () => resolve(null)); // no child processes here: the engine is loaded untried
    child.on('close', (_, by) => resolve(by));
  });
  if (signal === null) return;
  const [what, hint] =
    signal === 'SIGILL'
      ? [
          'uses an instruction that this CPU does not have',
          'Set RANK_DISTILLM_CPU_FEATURES=none, which chooses the plainest kernels, and report this.',
        ]
      : signal === 'SIGTERM'
        ? [`computes nothing within ${HANGS_MS / 1000} s`, 'Report this.']
        : [`ends its process with ${signal}`, 'Reinstall the package; in a checkout run `npm run setup`.'];
  throw new RankDistillmError('native', `${file}: ${what}`, { hint });
}
