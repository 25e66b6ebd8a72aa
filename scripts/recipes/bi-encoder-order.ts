import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';

/** torch on its own first: transformers alone would take the newest. */
const PACKAGES = [['torch==2.13.0'], ['transformers<5', 'safetensors']];

/** A Python with torch and transformers in `folder`. */
async function makePython(folder: string): Promise<string> {
  const python = join(folder, 'bin', 'python');
  if (!existsSync(python)) {
    await run('python3', ['-m', 'venv', folder], { what: 'making a venv', hint: 'Install Python 3 with venv.' });
  }
  for (const packages of PACKAGES) {
    await run(python, ['-m', 'pip', 'install', '--quiet', ...packages], {
      what: `installing ${packages.join(' and ')}`,
      hint: 'Check the network, or name a Python that has them with --python.',
    });
  }
  return python;
}

/** Writes `data/__bi-encoder__pseudo.run` in `folder`, once: the pseudo queries' candidates as the encoder orders them. */
export async function orderByBiEncoder(folder: string, python?: string): Promise<void> {
  const data = (name: string): string => join(folder, 'data', name);
  const ordered = data('__bi-encoder__pseudo.run');
  if (existsSync(ordered)) return;
  const script = join(root, 'scripts', 'recipes', 'bi_encoder_order.py');
  const inputs = ['pseudo-collection.tsv', 'pseudo-queries.tsv', '__candidates__pseudo.run'].map(data);
  await run(python ?? (await makePython(join(folder, 'venv'))), [script, join(folder, 'encoder'), ...inputs, ordered], {
    what: 'ordering by the bi-encoder',
    hint: 'The Python needs torch and transformers.',
  });
}
