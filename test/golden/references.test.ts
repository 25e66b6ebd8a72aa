import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCheckpoint, type LoadOptions } from '../../src/models/load-checkpoint.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { createPairTokenizer } from '../../src/tokenize/pair-tokenizer.js';
import { useDevices } from '../support/devices.js';
import { assertClose, assertSameIds, type ScoredPair } from '../support/models.js';
import { TOLERANCES } from '../support/tolerances.js';

/** What scripts/references/models.py wrote beside each model. */
interface Expected {
  /** The library that computed the scores. */
  source: string;
  options: Pick<LoadOptions, 'label'> & {
    /** The model has to be found under this id in a hub cache. */
    hubId?: string;
  };
  pairs: ScoredPair[];
}

const root = fileURLToPath(new URL('references/', import.meta.url));
const folders = readdirSync(root);
const devices = useDevices();

const cache = mkdtempSync(join(tmpdir(), 'rank-distillm-hub-'));
process.env['HF_HUB_CACHE'] = cache;

function linkIntoCache(hubId: string, folder: string): void {
  const repo = join(cache, `models--${hubId.replaceAll('/', '--')}`);
  mkdirSync(join(repo, 'refs'), { recursive: true });
  mkdirSync(join(repo, 'snapshots'));
  writeFileSync(join(repo, 'refs', 'main'), '0'.repeat(40));
  symlinkSync(folder, join(repo, 'snapshots', '0'.repeat(40)));
}

const test = suite('models against the libraries they come from');

test('there is a reference for each config generation, head, pooling and file format', () => {
  assert.ok(folders.length >= 33, `only ${folders.length} reference models`);
});

for (const name of folders) {
  const folder = `${root}${name}`;
  const {
    source,
    options: { hubId, ...options },
    pairs,
  } = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Expected;
  const model = hubId === undefined ? folder : hubId;
  if (hubId !== undefined) linkIntoCache(hubId, folder);

  test(`${name}: token ids of ${source}`, async () => {
    const checkpoint = await loadCheckpoint(model, options);
    assert.equal(checkpoint.warnings, []);
    const tokenizer = await createPairTokenizer(checkpoint);
    assertSameIds(await tokenizer.encodePairs(pairs), pairs);
  });

  for (const device of devices) {
    test(`${name}: scores of ${source} on ${device}`, async () => {
      await using encoder = await CrossEncoder.load(model, { device, precision: '32-true', ...options });
      assert.is(encoder.precision, 'float32');
      assertClose(await encoder.score(pairs, {}), pairs, TOLERANCES[device].float32.score);
    });
  }
}

test.after(() => rmSync(cache, { recursive: true }));

test.run();
