import { readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ioError } from '../errors.js';
import { leftoversIn, pathBeside } from '../io/leftovers.js';
import { makeFolder } from '../io/make-folder.js';
import { CsvLogger } from '../report/csv-logger.js';
import type { MetricLogger } from '../report/metric-logger.js';
import { TensorBoardLogger } from '../report/tensorboard-logger.js';
import { versionFolder } from '../report/version-folder.js';
import type { Config } from '../config/schema/schema.js';

/** One of `trainer.logger`, with Lightning's defaults. */
export interface LoggerSettings {
  kind: 'TensorBoardLogger' | 'CSVLogger';
  saveDir: string;
  /** Empty: no folder between `saveDir` and the version. */
  name: string;
  /** Undefined: the next that is free. */
  version: number | string | undefined;
  prefix: string;
  /** TensorBoardLogger. */
  subDir: string | undefined;
}

type Logger = Exclude<NonNullable<Config['trainer']['logger']>, boolean | unknown[]>;

/** None where `logger` is false; a TensorBoardLogger where nothing is said. */
export function loggersOf({ trainer }: Config): LoggerSettings[] {
  const { logger } = trainer;
  const rootDir = trainer.default_root_dir ?? '.';
  if (logger === false) return [];
  if (logger === null || logger === true) {
    const unset = { prefix: '', subDir: undefined };
    return [{ kind: 'TensorBoardLogger', saveDir: rootDir, name: 'lightning_logs', version: undefined, ...unset }];
  }
  return (Array.isArray(logger) ? logger : [logger]).map((written) => settingsOf(written, rootDir));
}

function settingsOf(logger: Logger, rootDir: string): LoggerSettings {
  const { save_dir: saveDir, name, version, prefix } = logger.init_args;
  return {
    kind: logger.class_path,
    saveDir: saveDir ?? rootDir,
    name: name ?? '',
    version: version ?? undefined,
    prefix,
    subDir: logger.class_path === 'TensorBoardLogger' ? (logger.init_args.sub_dir ?? undefined) : undefined,
  };
}

/** The folders of a run, and what to remove when nothing comes of it. */
export class FitOutput {
  /** The folder of each logger. */
  readonly #logs: { settings: LoggerSettings; folder: string }[] = [];
  /** Made for this run, outermost first. */
  readonly #made: string[] = [];
  /** Files beside new versions that say that nothing was trained in them yet. */
  #marks: string[] = [];
  readonly #rootDir: string;

  private constructor(rootDir: string) {
    this.#rootDir = rootDir;
  }

  /**
   * Makes the folders of all loggers: `<save_dir>/<name>/version_N`. Loggers below the same folder share a new version.
   *
   * @param rootDir where checkpoints go when there is no logger; undefined: nothing is saved
   * @throws RankDistillmError `io`; then nothing is left behind
   */
  static async create(loggers: readonly LoggerSettings[], rootDir: string | undefined): Promise<FitOutput> {
    const output = new FitOutput(rootDir ?? '.');
    try {
      const fresh = new Map<string, string>();
      for (const settings of loggers) {
        const parent = join(settings.saveDir, settings.name);
        const known = settings.version === undefined ? fresh.get(parent) : undefined;
        const folder = known ?? (await output.#versionFolder(settings, parent));
        fresh.set(parent, folder);
        output.#logs.push({ settings, folder });
      }
      if (loggers.length === 0 && rootDir !== undefined) await output.make(rootDir);
    } catch (error) {
      await output.discard();
      throw error;
    }
    return output;
  }

  /** Where the model and the configuration go: to the first logger's files, as in Lightning. */
  get logFolder(): string {
    const [first] = this.#logs;
    return first ? join(first.folder, first.settings.subDir ?? '') : this.#rootDir;
  }

  /** Where checkpoints go that name no folder. */
  get checkpointFolder(): string {
    return join(this.#logs[0]?.folder ?? this.#rootDir, 'checkpoints');
  }

  get hasLogs(): boolean {
    return this.#logs.length > 0;
  }

  /** @param resumedAt steps of the run that this one continues */
  openLoggers(resumedAt: number | undefined): Promise<MetricLogger[]> {
    const open = ({ settings, folder }: { settings: LoggerSettings; folder: string }): Promise<MetricLogger> => {
      const options = { prefix: settings.prefix, resumedAt };
      return settings.kind === 'CSVLogger'
        ? CsvLogger.open(folder, options)
        : TensorBoardLogger.open(join(folder, settings.subDir ?? ''), options);
    };
    return Promise.all(this.#logs.map(open));
  }

  /** Where a CSVLogger of the run that saved the checkpoint `resumed` may have written: here, or beside its checkpoints. */
  earlierLogs(resumed = this.checkpointFolder): { path: string; prefix: string }[] {
    const logs = this.#logs.filter(({ settings }) => settings.kind === 'CSVLogger');
    const beside = dirname(dirname(resolve(resumed)));
    return logs.flatMap(({ settings: { prefix }, folder }) =>
      [folder, beside].map((where) => ({ path: join(where, 'metrics.csv'), prefix })),
    );
  }

  /** Makes a folder; `discard` removes it where it stays empty. */
  async make(folder: string): Promise<void> {
    this.#made.push(...(await makeFolder(folder)));
  }

  /** Called after the first step: from now on, what the run leaves is worth keeping, also when it is killed. */
  async begin(): Promise<void> {
    for (const mark of this.#marks) await rm(mark, { force: true }).catch(() => undefined);
    this.#marks = [];
  }

  /** Removes what was made for this run, which ended before it began. */
  async discard(): Promise<void> {
    for (const { folder } of this.#logs) {
      if (this.#made.includes(resolve(folder))) await rm(folder, { recursive: true, force: true });
    }
    await this.begin();
    for (const folder of this.#made.toReversed()) await rmdir(folder).catch(() => undefined); // not empty: not ours alone
  }

  async #versionFolder({ saveDir, name, version }: LoggerSettings, parent: string): Promise<string> {
    await this.make(parent);
    if (version !== undefined) {
      await this.make(join(parent, typeof version === 'number' ? `version_${version}` : version));
      return versionFolder(saveDir, name, version);
    }
    await removeStrayVersions(parent);
    const folder = await versionFolder(saveDir, name);
    this.#made.push(resolve(folder));
    const mark = pathBeside(resolve(folder), 'new');
    this.#marks.push(mark);
    await writeFile(mark, '', { flag: 'wx' }).catch((error: unknown) => Promise.reject(ioError('write', mark, error)));
    return folder;
  }
}

/** All that a run writes before its first step. */
const BEFORE_FIRST_STEP = /^(?:pl_config\.yaml|metrics\.csv|events\.out\.tfevents\..*|\..*)$/;

/** Removes the version folders of runs that were killed before their first step. Other files there are left alone. */
async function removeStrayVersions(parent: string): Promise<void> {
  for (const { path, target, role, alive } of await leftoversIn(resolve(parent))) {
    if (role !== 'new' || alive) continue;
    const entries = await readdir(target, { recursive: true, withFileTypes: true }).catch(() => []);
    const isStray = entries.every((entry) => entry.isDirectory() || BEFORE_FIRST_STEP.test(entry.name));
    if (isStray) await rm(target, { recursive: true, force: true }).catch(() => undefined);
    await rm(path, { force: true }).catch(() => undefined);
  }
}
