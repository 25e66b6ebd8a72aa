import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ELECTRA_BASE, writeElectraFolder } from './electra-folder.js';
import { madeUpVocabulary } from './vocabulary.js';

const USAGE = `usage: tsx scripts/demo/electra-base-random.ts <folder> [options]

Writes an ELECTRA encoder of random weights in the Hugging Face layout, to measure speed with. Without options it has
the sizes of electra-base (435 MB). Speed depends on the number of tokens a text has: give a real vocabulary.

  --vocab FILE         vocab.txt to copy; without, 30522 made-up entries that cut words into three letters
  --hidden N           hidden size, default ${ELECTRA_BASE.hiddenSize}
  --embedding N        embedding size, default the hidden size
  --layers N           default ${ELECTRA_BASE.layers}
  --heads N            default ${ELECTRA_BASE.heads}
  --intermediate N     default four times the hidden size
  --positions N        default ${ELECTRA_BASE.maxPositions}
  --seed N             default 42

electra-large: --hidden 1024 --layers 24 --heads 16      MiniLM-L6: --hidden 384 --layers 6 --heads 12`;

const MADE_UP_ENTRIES = 30522;

const option = { type: 'string' } as const;
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ vocab: option, hidden: option, embedding: option, layers: option, heads: option, intermediate: option },
    ...{ positions: option, seed: option },
    help: { type: 'boolean' },
  },
});
const [folder] = positionals;

function size(
  name: 'hidden' | 'embedding' | 'layers' | 'heads' | 'intermediate' | 'positions' | 'seed',
  otherwise: number,
): number {
  const value = Number(values[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number of at least 1, got ${values[name]}`);
  return value;
}

if (folder === undefined || values.help) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const hiddenSize = size('hidden', ELECTRA_BASE.hiddenSize);
  const vocabulary =
    values.vocab === undefined
      ? madeUpVocabulary(MADE_UP_ENTRIES)
      : (await readFile(values.vocab, 'utf8')).replace(/\n$/, '').split('\n');
  await writeElectraFolder(
    folder,
    {
      hiddenSize,
      embeddingSize: size('embedding', hiddenSize),
      layers: size('layers', ELECTRA_BASE.layers),
      heads: size('heads', ELECTRA_BASE.heads),
      intermediateSize: size('intermediate', 4 * hiddenSize),
      maxPositions: size('positions', ELECTRA_BASE.maxPositions),
    },
    vocabulary,
    size('seed', 42),
  );
}
