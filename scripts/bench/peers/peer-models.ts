import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashOf } from '../../lib/hash.mjs';
import { run } from '../../lib/run.mjs';
import { say } from '../../lib/say.mjs';
import { randomModel, type RandomModelName } from '../random-model.js';
import type { Contender, ModelPart } from './contenders.js';
import type { PeerEnvironment } from './environment.js';

/** `onnx` is made of `classification`. */
const PARTS: readonly ModelPart[] = ['mono', 'classification', 'onnx'];

/**
 * A folder with the parts that the contenders run, see make_models.py; each is made once per checkout, environment of the
 * peers and script.
 */
export async function peerModels(
  { python, key }: PeerEnvironment,
  model: RandomModelName,
  contenders: readonly Contender[],
): Promise<string> {
  const backbone = await randomModel(model);
  const script = fileURLToPath(new URL('make_models.py', import.meta.url));
  const folder = `${backbone}-peers-${hashOf([script], [key]).slice(0, 12)}`;
  await mkdir(folder, { recursive: true });
  const complete = (part: ModelPart): string => join(folder, `complete-${part}`);
  const needed = new Set(contenders.map((contender) => contender.model));
  if (needed.has('onnx')) needed.add('classification');
  const missing = PARTS.filter((part) => needed.has(part) && !existsSync(complete(part)));
  if (missing.length === 0) return folder;
  say(`writing the peers' models into ${folder}`);
  await run(python, [script, backbone, folder, ...missing], { what: 'make_models.py', quiet: true });
  for (const part of missing) await writeFile(complete(part), '');
  return folder;
}
