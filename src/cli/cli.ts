import { Command, CommanderError } from 'commander';
import { nearestHint } from '../config/nearest.js';
import { RankDistillmError } from '../errors.js';
import { listenToDownloads } from '../fetch/downloads.js';
import { packageVersion } from '../io/package-version.js';
import { commandLine, print, type CliIo } from './cli-io.js';
import { configurationsBehindVerb } from './config-arguments.js';
import { addCompareCommand } from './compare.js';
import { addDatasetsCommand, addInstallLibtorchCommand, addModelsCommand, downloadReport } from './downloads.js';
import { addDoctorCommand } from './doctor.js';
import { addEvaluateCommand } from './evaluate.js';
import { addFitCommand } from './fit.js';
import { helpTopic, keysHelp } from './key-help.js';
import { addMergeCommand } from './merge.js';
import { addNotBuiltCommands } from './not-built.js';
import { addReportCommand } from './report.js';
import { addReRankCommand } from './re-rank.js';
import { reportError } from './report-error.js';
import { addScoreCommand } from './score.js';
import { addServeCommand } from './serve.js';
import { addSubsampleCommand } from './subsample.js';

/**
 * Runs one command line.
 *
 * @param argv arguments after the program's name
 * @param onError hears of the error before it is printed
 * @returns the exit code: 0 done, 1 failure, 2 bad input, 130 interrupted
 */
export async function runCli(
  argv: readonly string[],
  process: Omit<CliIo, 'command'>,
  onError: (error: unknown) => void = () => undefined,
): Promise<number> {
  const io = { ...process, command: commandLine(argv) };
  try {
    using _ = listenToDownloads(downloadReport(io));
    await parse(configurationsBehindVerb(argv), io);
    return 0;
  } catch (error) {
    onError(error);
    return reportError(error, io);
  }
}

async function parse(argv: readonly string[], io: CliIo): Promise<void> {
  const help = helpTopic(argv);
  if (help) return print(io, keysHelp(help.verb, help.topic));
  let text = '';
  const program = buildProgram(argv, io, (part) => (text += part));
  try {
    await program.parseAsync(argv.length === 0 ? ['--help'] : argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const parent = program.commands.find((command) => command.name() === argv[0] && command.commands.length > 0);
    if (
      error.exitCode !== 0 &&
      (error.code === 'commander.help' || (parent && error.code === 'commander.unknownCommand'))
    ) {
      throw unknownCommand(argv, program);
    }
    if (error.exitCode !== 0) throw usageError(error, argv, program);
    await print(io, text); // help or version was asked for
  }
}

/** @param write takes help and version */
function buildProgram(argv: readonly string[], io: CliIo, write: (text: string) => void): Command {
  const program = new Command('rank-distillm')
    .description('Re-rank with cross-encoders, train them, score pairs and evaluate runs.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureOutput({
      writeOut: write,
      writeErr: write,
      // errors are printed by reportError, with a hint
      outputError: () => undefined,
    })
    .addHelpText('after', '\nExit codes: 0 done, 1 failure, 2 bad input, 130 interrupted.');
  addReRankCommand(program, argv, io);
  addFitCommand(program, argv, io);
  addScoreCommand(program, io);
  addServeCommand(program, io);
  addEvaluateCommand(program, io);
  addDatasetsCommand(program, io);
  addModelsCommand(program, io);
  addCompareCommand(program, io);
  addReportCommand(program, io);
  addMergeCommand(program, io);
  addSubsampleCommand(program, io);
  addDoctorCommand(program, io);
  addInstallLibtorchCommand(program, io);
  addNotBuiltCommands(program);
  return program;
}

/** The error for a wrong or missing word after a verb that has commands, or after `help`. */
function unknownCommand([verb, word]: readonly string[], program: Command): RankDistillmError {
  const parent = program.commands.find((command) => command.name() === verb);
  const known = parent?.commands.map((command) => command.name()) ?? [];
  const message = word === undefined ? `${verb}: the command is missing` : `unknown command '${word}'`;
  return new RankDistillmError('bad_input', message, {
    hint:
      known.length > 0
        ? `Commands: ${known.map((name) => `${verb} ${name}`).join(', ')}. See rank-distillm ${verb} --help.`
        : nearestHint(
            word ?? '',
            program.commands.map((command) => command.name()),
            'command',
            'rank-distillm --help',
          ),
  });
}

/** Commander looks for missing options first, and so calls one missing that is only misspelt. */
function misspelt(error: CommanderError, argv: readonly string[], verb: Command | undefined): string | undefined {
  if (error.code !== 'commander.missingMandatoryOptionValue' || verb === undefined) return undefined;
  const known = [...verb.options.map(({ long }) => long), '--help'];
  return argv.find((word) => word.startsWith('--') && !known.includes(word.split('=')[0]));
}

/** Commander's complaint in our form. */
function usageError(error: CommanderError, argv: readonly string[], program: Command): RankDistillmError {
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const command = program.commands.find((each) => argv.includes(each.name()));
  const verb = command?.name();
  const wrong = misspelt(error, argv, command);
  if (wrong !== undefined) {
    const known = command!.options.flatMap(({ long }) => long ?? []);
    const hint = nearestHint(wrong, known, 'option', `rank-distillm ${verb} --help`);
    return new RankDistillmError('bad_input', `unknown option '${wrong}'`, { hint, cause: error });
  }
  const suggestion = rest
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/, '$1');
  return new RankDistillmError('bad_input', first ?? 'bad command line', {
    hint: [suggestion, `See rank-distillm${verb ? ` ${verb}` : ''} --help.`].filter(Boolean).join(' '),
    cause: error,
  });
}
