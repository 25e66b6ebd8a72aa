import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashOf } from '../../lib/hash.mjs';
import { run } from '../../lib/run.mjs';
import { say } from '../../lib/say.mjs';
import { randomModel, type RandomModelName } from '../random-model.js';
import { VERSIONS_KEY } from './versions.js';

/** A folder with `mono` and `classification`, see make_models.py; made once per checkout, versions of the peers and script. */
export async function peerModels(python: string, model: RandomModelName): Promise<string> {
  const backbone = await randomModel(model);
  const script = fileURLToPath(new URL('make_models.py', import.meta.url));
  const folder = `${backbone}-peers-${hashOf([script], [VERSIONS_KEY]).slice(0, 12)}`;
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return folder;
  say(`writing the peers' models into ${folder}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run(python, [script, backbone, folder], { what: 'make_models.py', quiet: true });
  await writeFile(complete, '');
  return folder;
}
