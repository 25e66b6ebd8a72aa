import type { Command } from 'commander';
import { loadConfig } from '../config/load-config.js';
import { printConfig } from '../config/print-config.js';
import { note, print, warn, type CliIo } from './cli-io.js';
import { parseConfigArguments } from './config-arguments.js';
import { runReRank } from './re-rank-datasets.js';
import { planReRank } from './re-rank-plan.js';

export function addReRankCommand(program: Command, argv: readonly string[], io: CliIo): void {
  program
    .command('re_rank')
    .alias('re-rank')
    .summary('re-rank runs with a cross-encoder, as a configuration says')
    .usage('--config <file> [--config <file> …] [--key.path <value> …]')
    .description(
      'Scores the documents of each run in data.inference_datasets and writes a new TREC run for each, named as ' +
        "lightning-ir's ReRankCallback names it. Of several files and options the later ones win.",
    )
    .option('-c, --config <file>', 'YAML configuration; may be given several times')
    .option('--print_config', 'print the merged configuration with all defaults, and stop')
    .addHelpText(
      'after',
      '\nKeys on the command line:\n' +
        '  --model.model_name_or_path X            set a key; the value is read as YAML\n' +
        '  --trainer.callbacks+=ReRankCallback     append to a list\n' +
        '  --trainer.callbacks.save_dir DIR        change the last item of a list\n' +
        '  --data.inference_datasets.0.depth 50    change the item with a number\n' +
        '\ndocs/cli.md lists all keys; configs/examples holds configurations to start from.',
    )
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => reRank(argv.slice(argv.findIndex((argument) => /^re[-_]rank$/.test(argument)) + 1), io));
}

async function reRank(args: readonly string[], io: CliIo): Promise<void> {
  const { sources, printConfig: printOnly } = parseConfigArguments(args);
  const loaded = await loadConfig(sources);
  if (printOnly) return print(io, printConfig(loaded.config));
  if (loaded.ignored.length > 0) {
    warn(io, `keys of Lightning that have no meaning here are ignored: ${loaded.ignored.join(', ')}`);
  }
  const text = await runReRank(planReRank(loaded), io);
  if (text === undefined) note(io, 'no measures: evaluation_metrics is empty, or no dataset has qrels');
  else await print(io, `${text}\n`);
}
