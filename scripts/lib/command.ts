import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { RankDistillmError } from '../../src/errors.js';
import { root } from './root.mjs';
import { giveUp, SetupError } from './say.mjs';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T & { help: { type: 'boolean' } }; allowPositionals: true }>
>;

/** Runs a script: `--help` prints its usage, and an error that the caller can fix ends it without a stack trace. */
export async function runScript<const T extends Options>(
  usage: string,
  options: T,
  main: (values: Parsed<T>['values'], positionals: string[]) => Promise<void>,
  args: string[] = process.argv.slice(2),
): Promise<void> {
  try {
    const all = { ...options, help: { type: 'boolean' } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: all });
    if ((values as { help?: boolean }).help) console.log(usage);
    else await main(values, positionals);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS')) giveUp(new SetupError(message, 'See --help.'));
    giveUp(error instanceof RankDistillmError ? new SetupError(message, error.hint) : error);
  }
}

const NUMBERS = {
  'a number above 0': (number: number) => number > 0,
  'a whole number above 0': (number: number) => number > 0 && Number.isSafeInteger(number),
  'a number of at least 0': (number: number) => number >= 0,
};

/** A number of the command line; undefined where the option was left out. */
export function numberOf<T extends string | undefined>(
  option: string,
  text: T,
  expected: keyof typeof NUMBERS = 'a number above 0',
): T extends string ? number : number | undefined {
  const number = Number(text ?? 1);
  if (!NUMBERS[expected](number)) throw new SetupError(`--${option}: expected ${expected}, received "${text}"`);
  return (text === undefined ? undefined : number) as T extends string ? number : number | undefined;
}

/** The built command line, as a user runs it; on a host without dist its sources. */
function rankDistillm(): string[] {
  const built = join(root, 'dist/cli/main.js');
  return [process.execPath, ...(existsSync(built) ? [built] : [...process.execArgv, join(root, 'src/cli/main.ts')])];
}

/** Runs a verb of our command line, or of a `program` with the same verbs, in the checkout's folder. */
export async function runVerb(args: readonly string[], program?: readonly string[]): Promise<void> {
  const name = program ? program.join(' ') : 'npx rank-distillm';
  console.log(`\n$ ${name} ${args.join(' ')}`);
  const [command = '', ...first] = program ?? rankDistillm();
  const child = spawn(command, [...first, ...args], { stdio: 'inherit', cwd: root });
  const wait = (): void => undefined; // Ctrl-C reaches the child as well, which ends cleanly
  process.on('SIGINT', wait);
  const [code] = (await once(child, 'close')) as [number | null];
  process.off('SIGINT', wait);
  if (code !== 0) throw new SetupError(`${name} ${args[0]} ended with exit code ${code}`);
}

/** The Hugging Face folder that the newest `fit` below a `default_root_dir` has left. */
export async function newestModel(folder: string): Promise<string> {
  const logs = resolve(root, folder, 'lightning_logs');
  const versions = (await readdir(logs)).filter((name) => /^version_\d+$/.test(name));
  const newest = versions.sort((a, b) => Number(b.slice(8)) - Number(a.slice(8)))[0];
  if (newest === undefined) throw new SetupError(`${logs}: fit has left no version folder`);
  return join(logs, newest, 'huggingface_checkpoint');
}
