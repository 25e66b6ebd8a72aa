import { RankDistillmError, type ErrorCode } from '../errors.js';
import { optionName } from './option-names.js';

/** Keys and list positions that lead to a setting, in snake_case: `['trainer', 'max_steps']`. */
export type SettingPath = readonly (string | number)[];

export interface SettingErrorDetails {
  hint: string;
  /** Default `bad_input`. */
  code?: ErrorCode | undefined;
  cause?: unknown;
  /** The message begins with a file, and says enough without the setting's name. */
  isAboutFile?: boolean;
}

/**
 * Something wrong with a setting. It does not know whether the setting came from a file, the command line or a caller in
 * TypeScript: as it stands it speaks to the last, `options.trainer.maxSteps: …`; `worded` words it for the others.
 * Texts write the name of another setting as `$max_steps`.
 */
export class SettingError extends RankDistillmError {
  readonly path: SettingPath;
  readonly #what: string;
  readonly #hint: string;
  readonly #isAboutFile: boolean;

  constructor(path: SettingPath, what: string, details: SettingErrorDetails) {
    const { hint, code = 'bad_input', cause, isAboutFile = false } = details;
    const message = isAboutFile ? what : `${optionPath(path)}: ${withNames(what, optionName)}`;
    super(code, message, { hint: withNames(hint, optionName), cause });
    this.path = path;
    this.#what = what;
    this.#hint = hint;
    this.#isAboutFile = isAboutFile;
  }

  /** The same error about a setting of a section. */
  within(section: SettingPath): SettingError {
    const path = [...section, ...this.path];
    const details = { hint: this.#hint, code: this.code, isAboutFile: this.#isAboutFile };
    return new SettingError(path, this.#what, { ...details, cause: this });
  }

  /**
   * The error for people who wrote snake_case.
   *
   * @param where place and name of the setting: `fit.yaml:12: trainer.max_steps`, or an option of the command line
   */
  worded(where: string): RankDistillmError {
    const message = this.#isAboutFile ? this.#what : `${where}: ${withNames(this.#what, (key) => key)}`;
    const hint = withNames(this.#hint, (key) => key);
    return new RankDistillmError(this.code, message, { hint, cause: this });
  }
}

/** Calls `read`; what it throws is about a setting. */
export function aboutSetting<T>(path: SettingPath, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw settingError(path, error);
  }
}

export function settingError(path: SettingPath, error: unknown): unknown {
  if (error instanceof SettingError) return error.within(path);
  if (!(error instanceof RankDistillmError)) return error;
  return new SettingError(path, error.message, { hint: error.hint ?? '', code: error.code, cause: error });
}

/** `options.trainer.maxSteps` */
function optionPath(path: SettingPath): string {
  return ['options', ...path.map((key) => optionName(String(key)))].join('.');
}

function withNames(text: string, nameOf: (key: string) => string): string {
  return text.replace(/\$([A-Za-z]\w*)/g, (_, key: string) => nameOf(key));
}
