import { Command, CommanderError } from 'commander';
import { RankDistillmError } from '../errors.js';
import { withDownloads } from '../fetch/downloads.js';
import { packageVersion } from '../io/package-version.js';
import { commandLine, print, type CliIo } from './cli-io.js';
import { configurationsBehindVerb } from './config-arguments.js';
import { addCompareCommand } from './compare.js';
import { addDatasetsCommand, addModelsCommand, downloadReport } from './downloads.js';
import { addDoctorCommand } from './doctor.js';
import { addEvaluateCommand } from './evaluate.js';
import { addFitCommand } from './fit.js';
import { helpTopic, keysHelp } from './key-help.js';
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
    await withDownloads(downloadReport(io), () => parse(configurationsBehindVerb(argv), io));
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
    if (error.code === 'commander.help' && error.exitCode !== 0) {
      throw usageError(new CommanderError(1, error.code, `unknown command '${argv[1] ?? ''}'`), argv, program);
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
  addSubsampleCommand(program, io);
  addDoctorCommand(program, io);
  addNotBuiltCommands(program);
  return program;
}

/** Commander's complaint in our form. */
function usageError(error: CommanderError, argv: readonly string[], program: Command): RankDistillmError {
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const verb = argv.find((argument) => program.commands.some((command) => command.name() === argument));
  const suggestion = rest
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/, '$1');
  return new RankDistillmError('bad_input', first ?? 'bad command line', {
    hint: [suggestion, `See rank-distillm${verb ? ` ${verb}` : ''} --help.`].filter(Boolean).join(' '),
    cause: error,
  });
}
