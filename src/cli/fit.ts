import type { Command } from 'commander';
import { docsPage, packagePath } from '../errors.js';
import { loadConfig } from '../config/load-config.js';
import { printConfig } from '../config/print-config.js';
import { print, warn, type CliIo } from './cli-io.js';
import { parseConfigArguments } from './config-arguments.js';
import { sectionsHelp } from './key-help.js';
import { runFit } from './run-fit.js';

export function addFitCommand(program: Command, argv: readonly string[], io: CliIo): void {
  program
    .command('fit')
    .summary('train a cross-encoder, as a configuration says')
    .usage('--config <file> [--config <file> …] [--key.path <value> …]')
    .description(
      'Trains a model on data.train_dataset, validates it on data.inference_datasets and saves it where ' +
        "lightning-ir's fit does. Of several files and options the later ones win.",
    )
    .option('-c, --config <file>', 'YAML configuration; may be given several times')
    .option('--ckpt_path <folder>', 'go on from a checkpoint of an earlier run; last: from the newest')
    .option('--print_config', 'print the merged configuration with all defaults, and stop')
    .addHelpText(
      'after',
      sectionsHelp('fit') +
        '\nKeys on the command line:\n' +
        '  --model.model_name_or_path X            set a key; the value is read as YAML\n' +
        '  --trainer.max_steps 1000\n' +
        '  --trainer.callbacks+=LearningRateMonitor  append to a list\n' +
        '  --data.train_dataset.sample_size 8\n' +
        '\nCtrl-C finishes the step, saves and ends with 130; a second one stops at once.\n' +
        `${docsPage('training')} explains training.\n${packagePath('configs/examples')} holds configurations to start from.`,
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => fit(argv.slice(argv.indexOf('fit') + 1), io));
}

async function fit(args: readonly string[], io: CliIo): Promise<void> {
  const { sources, printConfig: printOnly } = parseConfigArguments(args, 'fit');
  const loaded = await loadConfig(sources, printOnly ? undefined : 'fit');
  if (printOnly) return print(io, printConfig(loaded.config));
  if (loaded.ignored.length > 0) {
    warn(io, `these keys of Lightning have no effect here: ${loaded.ignored.join(', ')}`);
  }
  const text = await runFit(loaded, io);
  if (text !== undefined) await print(io, `${text}\n`);
}
