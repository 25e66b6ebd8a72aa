import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inFolder, modelFolder, run, useOwnCache, writeCollection } from './support.js';

const test = suite('configs/');
useOwnCache(test);

const CONFIGS = fileURLToPath(new URL('../../configs/', import.meta.url));

/** The runs each example leaves. An example that is missing here fails. */
const EXAMPLES: Readonly<Record<string, string[]>> = {
  're-rank-own-data.yaml': ['re-ranked/__bm25__my-collection.run'],
  're-rank-datasets.yaml': ['runs/mono-rank/bm25.run', 'runs/mono-rank/splade.run'],
};

/** The files that the examples name. */
async function writeExampleData(folder: string): Promise<void> {
  await writeCollection(folder);
  await mkdir(join(folder, 'my-data'));
  const copies = {
    'docs.tsv': ['collection.tsv'],
    'queries.tsv': ['queries.tsv'],
    'test.qrels': ['test.qrels'],
    '__bm25__tiny-set.run': ['__bm25__my-collection.run', 'bm25.run', 'splade.run'],
  };
  for (const [from, names] of Object.entries(copies)) {
    for (const to of names) await copyFile(join(folder, 'data', from), join(folder, 'my-data', to));
  }
}

const examples = (await readdir(join(CONFIGS, 'examples'))).filter((name) => name.endsWith('.yaml'));
for (const name of examples) {
  test(`examples/${name} runs`, () =>
    inFolder(async (folder) => {
      await writeExampleData(folder);
      const argv = ['--config', join(CONFIGS, 'examples', name), '--model.model_name_or_path', modelFolder()];
      const { code, stdout, stderr } = await run(['re_rank', ...argv], { cwd: folder });
      assert.is(code, 0, stderr);
      const runs = EXAMPLES[name] ?? [];
      assert.ok(runs.length > 0, `say here what ${name} writes`);
      const found = await readdir(folder, { recursive: true });
      assert.equal(found.filter((path) => /^(runs|re-ranked)\/.*\.run$/.test(path)).sort(), runs);
      assert.match(stdout, /nDCG@10/);
      assert.not.match(stderr, /are ignored/);
    }));
}

for (const group of ['model', 'trainer']) {
  for (const name of await readdir(join(CONFIGS, group))) {
    test(`${group}/${name} lies over an example`, async () => {
      const files = [join(CONFIGS, 'examples/re-rank-datasets.yaml'), join(CONFIGS, group, name)];
      const argv = files.flatMap((file) => ['--config', file]);
      const { code, stderr } = await run(['re_rank', ...argv, '--print_config']);
      assert.is(code, 0, stderr);
      assert.is(stderr, '');
    });
  }
}

test.run();
