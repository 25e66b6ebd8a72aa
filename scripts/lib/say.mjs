import { cacheFolder, root } from './root.mjs';

/** What a person can mend: shown without a stack trace, with the mend in its own lines. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {string} [hint]
   */
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** Thrown where work ends because a signal asked for it; nothing is to be said. */
export class Interrupted extends Error {
  /** @param {number} status to exit with */
  constructor(status) {
    super('interrupted');
    this.status = status;
  }
}

/** What a full disk, or a folder of somebody else, makes fs say; nobody is helped by where in our code that was. */
const DISK_CODES = ['EACCES', 'EDQUOT', 'ENOSPC', 'EPERM', 'EROFS'];

/**
 * The same for a person when it is such an error of fs, else the error as it is.
 * @param {unknown} error
 * @param {string} [file] that was written, where the error does not name it
 */
export function asDiskError(error, file) {
  if (!(error instanceof Error)) return error;
  const { code = '', path = file, message } = /** @type {NodeJS.ErrnoException} */ (error);
  if (!DISK_CODES.includes(code)) return error;
  const isOurs = path?.startsWith(`${root}/`);
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  let hint = isFull ? `Free some space where ${isOurs ? root : cacheFolder()} is` : `Make the folder yours`;
  if (isOurs && !isFull) hint += ` (sudo chown -R "$(id -un)" ${root}), or use a copy that is`;
  if (!isOurs) hint += ', or let XDG_CACHE_HOME name another for the cache';
  return new SetupError(path && !message.includes(path) ? `${path}: ${message}` : message, `${hint}.`);
}

/** One line of progress; to stderr, so that a script's own output stays clean. @param {string} text */
export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** Prints an error and ends with status 1; says nothing of a signal and ends as it demands. @param {unknown} thrown @returns {never} */
export function giveUp(thrown) {
  const error = asDiskError(thrown);
  if (error instanceof Interrupted) process.exit(error.status);
  if (error instanceof SetupError) {
    process.stderr.write(`\nerror: ${error.message}\n`);
    if (error.hint) process.stderr.write(`${error.hint}\n`);
  } else {
    process.stderr.write(`\n${error instanceof Error ? error.stack : String(error)}\n`);
  }
  process.exit(1);
}
