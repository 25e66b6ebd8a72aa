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

/** One line of progress; to stderr, so that a script's own output stays clean. @param {string} text */
export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** Prints an error and ends with status 1; says nothing of a signal and ends as it demands. @param {unknown} error @returns {never} */
export function giveUp(error) {
  if (error instanceof Interrupted) process.exit(error.status);
  if (error instanceof SetupError) {
    process.stderr.write(`\nerror: ${error.message}\n`);
    if (error.hint) process.stderr.write(`${error.hint}\n`);
  } else {
    process.stderr.write(`\n${error instanceof Error ? error.stack : String(error)}\n`);
  }
  process.exit(1);
}
