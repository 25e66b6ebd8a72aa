import { InvalidArgumentError, Option, type Command } from 'commander';
import { readPrecision } from '../config/precision.js';
import { SettingError } from '../config/setting-error.js';
import { CrossEncoder, sigmoid } from '../engine/cross-encoder.js';
import { chooseDevice } from '../engine/device.js';
import { RankDistillmError } from '../errors.js';
import { writeAtomically, type WriteText } from '../io/atomic-write.js';
import { holdInputs, refuseOverInput } from '../io/inputs.js';
import { listDevices } from '../io/load-binding.js';
import { assertWritable } from '../io/output-file.js';
import { formatDuration } from '../report/figures.js';
import { onDevice } from '../report/figures.js';
import { note, print, warn, type CliIo } from './cli-io.js';
import { readPairGroups } from './read-pairs.js';

interface ScoreOptions {
  model: string;
  input: string;
  output: string;
  precision: string;
  device: string;
  threads?: number;
  tokenizerThreads?: number;
  label?: string;
  activation: 'identity' | 'sigmoid' | 'model';
  withTokens?: true;
}

export function addScoreCommand(program: Command, io: CliIo): void {
  program
    .command('score')
    .summary('score query-document pairs of a JSON Lines file')
    .description(
      'Scores pairs: one JSON object a line with "query" and "document" (or "doc" or "text"). ' +
        'The output has one object a line, in the same order, with "score": the raw logit, unless --activation names another.',
    )
    .requiredOption('--model <name>', 'folder of a model, or a Hugging Face id (downloaded once)')
    .requiredOption('--input <file>', 'pairs; - is standard input, each line answered as it comes')
    .option('--output <file>', 'scores; - is standard output', '-')
    .option('--precision <name>', '32-true, bf16-mixed, bf16-true or int8', '32-true')
    .option('--device <name>', 'cpu, cuda, cuda:N, or auto: the first GPU where there is one', 'auto')
    .option('--with-tokens', 'add "input_ids" and "token_type_ids" to each line')
    .option('--label <name>', 'which label is the score, for a classifier of several labels')
    .addOption(
      new Option('--activation <name>', 'applied to the scores; model: what the model folder names')
        .choices(['identity', 'sigmoid', 'model'])
        .default('identity'),
    )
    .addOption(
      new Option('--threads <count>', 'threads of the engine; all cores when left out').argParser(wholeNumber(1)),
    )
    .addOption(
      new Option('--tokenizer-threads <count>', 'worker threads that tokenize; when left out, none on a CPU').argParser(
        wholeNumber(0),
      ),
    )
    .action(async (options: ScoreOptions) => {
      using _inputs = holdInputs(options.input === '-' ? [] : [options.input]);
      try {
        await score(options, io);
      } catch (error) {
        throw error instanceof SettingError ? error.worded(`--${error.path.join('-').replaceAll('_', '-')}`) : error;
      }
    });
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    if (/^(0|[1-9]\d{0,3})$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
  };
}

const ANOTHER_OUTPUT = 'Choose another file for --output.';

async function score(options: ScoreOptions, io: CliIo): Promise<void> {
  const precision = readPrecision(options.precision, ['precision']);
  const device = chooseDevice(options.device, ['device'], listDevices);
  if (options.output !== '-') {
    refuseOverInput(options.output, ANOTHER_OUTPUT);
    await assertWritable(options.output);
  }
  const start = performance.now();
  const model = await CrossEncoder.load(options.model, {
    device,
    precision,
    signal: io.signal,
    onWarning: (message) => warn(io, message),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.tokenizerThreads === undefined ? {} : { tokenizerThreads: options.tokenizerThreads }),
    ...(options.label === undefined ? {} : { label: options.label }),
  });
  let pairs = 0;
  try {
    if (options.output !== '-') refuseOverInput(options.output, ANOTHER_OUTPUT); // the model's files
    const activate = activationOf(options, model, io);
    const produce = async (write: WriteText): Promise<void> => {
      for await (const group of readPairGroups(options.input, io.stdin, io.signal)) {
        for await (const { score: value, encoded } of model.scoreStream(group, {
          signal: io.signal,
          nonFinite: 'return',
        })) {
          if (!Number.isFinite(value)) throw notFinite(value, pairs + 1, options);
          const tokens = { input_ids: [...encoded.inputIds], token_type_ids: [...encoded.tokenTypeIds] };
          await write(`${JSON.stringify({ score: activate(value), ...(options.withTokens ? tokens : {}) })}\n`);
          pairs += 1;
        }
      }
    };
    await (options.output === '-' ? produce((text) => print(io, text)) : writeAtomically(options.output, produce));
  } finally {
    await model.close();
  }
  const seconds = (performance.now() - start) / 1000;
  note(io, `scored ${pairs} pairs in ${formatDuration(seconds)} (${onDevice(model)})`);
}

function activationOf({ activation }: ScoreOptions, model: CrossEncoder, io: CliIo): (logit: number) => number {
  if (activation === 'model' && model.activation === undefined) {
    note(io, `note: the folder of ${model.name} names no activation; scores are raw logits`);
  }
  const name = activation === 'model' ? model.activation : activation;
  return name === 'sigmoid' ? sigmoid : (logit) => logit;
}

function notFinite(value: number, pair: number, { model, input }: ScoreOptions): RankDistillmError {
  const place = input === '-' ? `standard input, pair ${pair}` : `${input}, pair ${pair}`;
  return new RankDistillmError('bad_input', `${place}: the score of ${model} is ${value}`, {
    hint: 'The weights are damaged, or too large for the precision: try --precision 32-true.',
  });
}
