import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCheckpoint, type LoadOptions } from '../../src/models/load-checkpoint.js';
import { refuses } from '../support/errors.js';
import { copyFolder, temporaryFolder } from '../support/files.js';
import { REFERENCES } from '../support/models.js';

const test = suite('models of a Hugging Face cache');

const HUB_VARIABLES = ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HOME', 'XDG_CACHE_HOME', 'HOME'];

async function withEnvironment(values: Record<string, string>, run: () => Promise<void>): Promise<void> {
  const before = HUB_VARIABLES.map((name) => [name, process.env[name]] as const);
  try {
    for (const name of HUB_VARIABLES) delete process.env[name];
    Object.assign(process.env, values);
    await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** A hub cache as huggingface_hub lays it out, with one model at `main` and at the branch `v2`. */
function hubCache(cache: string): void {
  const repo = join(cache, 'models--someone--some-model');
  mkdirSync(join(repo, 'refs'), { recursive: true });
  for (const [ref, commit, model] of [
    ['main', 'a1b2', 'mono-rank'],
    ['v2', 'c3d4', 'mono-mean'],
  ] as const) {
    writeFileSync(join(repo, 'refs', ref), commit);
    copyFolder(join(REFERENCES, model), join(repo, 'snapshots', commit));
  }
}

for (const [variable, below] of [
  ['HF_HUB_CACHE', ''],
  ['HF_HOME', 'hub'],
  ['XDG_CACHE_HOME', 'huggingface/hub'],
  ['HOME', '.cache/huggingface/hub'],
] as const) {
  test(`a Hugging Face id is found through ${variable}`, async () => {
    const root = temporaryFolder();
    hubCache(join(root, below));
    await withEnvironment({ [variable]: root }, async () => {
      const pooling = async (name: string, options?: LoadOptions) => {
        const { head } = await loadCheckpoint(name, options);
        return head.pooling;
      };
      assert.is(await pooling('someone/some-model'), 'first');
      assert.is(await pooling('someone/some-model@v2'), 'mean');
      assert.is(await pooling('someone/some-model@c3d4'), 'mean');
      assert.is(await pooling('someone/some-model', { revision: 'v2' }), 'mean');
    });
  });
}

test('an id that is not in the cache says how to fetch it', async () => {
  const root = temporaryFolder();
  hubCache(root);
  await withEnvironment({ HF_HUB_CACHE: root }, async () => {
    for (const name of ['someone/other', 'someone/some-model@v3', 'bert-base-uncased', 'someone/some-model@../../x']) {
      await refuses(() => loadCheckpoint(name), 'not_found', /neither a folder nor in|no such model folder/);
    }
    const repo = join(root, 'models--someone--some-model', 'snapshots', 'a1b2');
    renameSync(join(repo, 'model.safetensors'), join(repo, 'elsewhere'));
    let hint = '';
    await loadCheckpoint('someone/some-model').catch((error: { hint: string }) => (hint = error.hint));
    assert.match(hint, /`rank-distillm models get someone\/some-model`/);
  });
});

test.run();
