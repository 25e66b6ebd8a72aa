import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { RankDistillmError } from '../errors.js';
import type { CliIo } from './cli-io.js';
import { addEvaluateCommand } from './evaluate.js';
import { addFitCommand } from './fit.js';
import { addNotBuiltCommands } from './not-built.js';
import { addReRankCommand } from './re-rank.js';
import { reportError } from './report-error.js';
import { addScoreCommand } from './score.js';

/**
 * Runs one command line.
 *
 * @param argv arguments after the program's name
 * @param onError hears of the error before it is printed
 * @returns the exit code: 0 done, 1 failure, 2 bad input, 130 interrupted
 */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  onError: (error: unknown) => void = () => undefined,
): Promise<number> {
  try {
    await buildProgram(argv, io).parseAsync(argv.length === 0 ? ['--help'] : argv, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0; // help or version was asked for and printed
      const usage = usageError(error, argv);
      onError(usage);
      return reportError(usage, io);
    }
    onError(error);
    return reportError(error, io);
  }
}

function buildProgram(argv: readonly string[], io: CliIo): Command {
  const program = new Command('rank-distillm')
    .description('Re-rank with cross-encoders, train them, score pairs and evaluate runs.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stdout.write(text),
      // errors are printed by reportError, with a hint
      outputError: () => undefined,
    })
    .addHelpText('after', '\nExit codes: 0 done, 1 failure, 2 bad input, 130 interrupted.');
  addReRankCommand(program, argv, io);
  addFitCommand(program, argv, io);
  addScoreCommand(program, io);
  addEvaluateCommand(program, io);
  addNotBuiltCommands(program);
  return program;
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Commander's complaint in our form. */
function usageError(error: CommanderError, argv: readonly string[]): RankDistillmError {
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const verb = argv.find((argument) => !argument.startsWith('-'));
  const suggestion = rest
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/, '$1');
  return new RankDistillmError('bad_input', first ?? 'bad command line', {
    hint: [
      suggestion,
      `See rank-distillm${verb && error.code !== 'commander.unknownCommand' ? ` ${verb}` : ''} --help.`,
    ]
      .filter(Boolean)
      .join(' '),
    cause: error,
  });
}
