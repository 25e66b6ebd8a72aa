import type { Config } from '../../config/schema/schema.js';

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
