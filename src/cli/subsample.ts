import { InvalidArgumentError, type Command } from 'commander';
import { subsampleRun, type SubsampleOptions } from '../data/subsample.js';
import { formatTable } from '../report/table.js';
import { print, type CliIo } from './cli-io.js';

interface Options {
  run: string;
  saveDir: string;
  queries?: number[];
  depths?: number[];
  firstStage?: string;
  seed: number;
}

export function addSubsampleCommand(program: Command, io: CliIo): void {
  program
    .command('subsample')
    .summary('write parts of a training run, for curves over its size')
    .description(
      'Writes parts of a training run: so many of its topics (each smaller choice is part of the larger ones), and only ' +
        'documents that the first stage has above a depth. Beside each part lies a configuration that trains on it.',
    )
    .requiredOption('--run <file>', "run to take parts of, for example an LLM's rankings")
    .requiredOption('--save-dir <folder>', 'folder of the parts')
    .option('--queries <n...>', 'numbers of topics', wholeNumbers)
    .option('--depths <n...>', 'ranks of the first stage down to which documents are kept', wholeNumbers)
    .option('--first-stage <file>', 'run whose ranks the depths count; when left out, the run itself')
    .option('--seed <n>', 'of the choice of topics', (text) => wholeNumbers(text, undefined)[0]!, 42)
    .action(async ({ run, seed, saveDir, queries, depths, firstStage }: Options) => {
      const options: SubsampleOptions = { saveDir, seed, signal: io.signal };
      if (queries) options.queries = queries;
      if (depths) options.depths = depths;
      if (firstStage !== undefined) options.firstStage = firstStage;
      const parts = await subsampleRun(run, options);
      const columns = ['run', 'topics', 'documents'].map((head) => ({ head }));
      const rows = parts.map(({ path, topics, documents }) => [path, topics, documents]);
      await print(io, `${formatTable(columns, rows, { decorated: io.stdout.isTTY === true })}\n`);
    });
}

function wholeNumbers(text: string, earlier: number[] | undefined): number[] {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return [...(earlier ?? []), Number(text)];
}
