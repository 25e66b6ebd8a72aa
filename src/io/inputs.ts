import { existsSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { RankDistillmError } from '../errors.js';

/**
 * What the process reads from at the moment, by holder: files of open models, datasets and collections, of streams that
 * are being read, and a command's configuration. Every writer checks its output against all of them.
 */
const held = new Map<symbol, readonly string[]>();

/**
 * Protects files from our own writes until the result is disposed of: outputs onto them are refused. Files that do not
 * exist count too: a file of that name would be read the next time.
 */
export function holdInputs(files: readonly string[]): Disposable {
  const holder = Symbol('inputs');
  // absolute, because the working directory may change
  held.set(
    holder,
    files.map((file) => resolve(file)),
  );
  return { [Symbol.dispose]: () => void held.delete(holder) };
}

/** Whether something that is read is in a folder. */
export function hasInput(folder: string): boolean {
  return inputIn(folder) !== undefined;
}

/**
 * Refuses a folder as an output, which is replaced whole, when it holds an input.
 *
 * @throws RankDistillmError `bad_input`
 */
export function refuseFolderOverInputs(folder: string): void {
  const input = inputIn(folder);
  if (input === undefined) return;
  throw new RankDistillmError('bad_input', problemText(folder, input), { hint: 'Choose another folder.' });
}

/**
 * The problem with an output that is also an input: by path, or by device and inode (another name, a symbolic or a hard
 * link). undefined: there is none.
 */
export function overInput(output: string): string | undefined {
  const input = inputAt(output);
  return input === undefined ? undefined : problemText(output, input);
}

/** @throws RankDistillmError `bad_input` for an output that is also an input, see `overInput` */
export function refuseOverInput(output: string, hint = 'Choose another path for the output.'): void {
  const problem = overInput(output);
  if (problem !== undefined) throw new RankDistillmError('bad_input', problem, { hint });
}

function problemText(output: string, input: string): string {
  return `${output}: would overwrite the input ${relativeToHere(input)}`;
}

/** As short as people write it. */
function relativeToHere(path: string): string {
  const fromHere = relative('.', path);
  return fromHere.startsWith('..') ? path : fromHere;
}

function inputAt(output: string): string | undefined {
  const identity = fileId(output);
  const place = realPath(output);
  return [...held.values()]
    .flat()
    .find((input) => (identity !== undefined && identity === fileId(input)) || realPath(input) === place);
}

function inputIn(folder: string): string | undefined {
  const place = realPath(folder) + sep;
  return [...held.values()].flat().find((input) => existsSync(input) && realPath(input).startsWith(place));
}

function fileId(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // a file that is not there, or that we may not look up
  }
}

/** As many links as Linux follows. */
const MOST_LINKS = 40;

/** The path without links, also of a file that does not exist; a link that leads to nothing is followed. */
function realPath(path: string, links = MOST_LINKS): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    if (parent === absolute || links === 0) return absolute;
    const place = join(realPath(parent, links - 1), basename(absolute));
    const link = linkAt(place);
    return link === undefined ? place : realPath(resolve(dirname(place), link), links - 1);
  }
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // no link, or nothing
  }
}
