import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as LoadConfig from '../../../src/config/load-config.js';
import type { Kind } from '../kind.js';
import { mutateBytes, mutateJson, oddText, pick } from '../mutate.js';

const CONFIGS = ['examples/re-rank-own-data.yaml', 'examples/fit-first-stage.yaml']
  .map((name) => new URL(`../../../configs/${name}`, import.meta.url))
  .map((url) => readFileSync(url));
const TREE = {
  trainer: {
    precision: '32-true',
    max_steps: 5,
    callbacks: [{ class_path: 'ReRankCallback', init_args: { save_dir: 'x' } }],
  },
  model: { class_path: 'CrossEncoderModule', init_args: { model_name_or_path: 'm', evaluation_metrics: ['nDCG@10'] } },
  data: { inference_datasets: [{ class_path: 'RunDataset', init_args: { run_path_or_id: 'a.run', depth: 100 } }] },
  datasets: { 'my-set/test': { docs: 'docs.tsv', queries: 'queries.tsv', qrels: 'qrels.txt' } },
};

export const kind: Kind = {
  name: 'mutated configs',
  tries: { full: 20_000, short: 200 },
  async open({ load, folder }) {
    const { loadConfig } = await load<typeof LoadConfig>('config/load-config');
    const path = join(folder, 'config.yaml');
    return async (random) => {
      const [content, option] = pick<() => [string | Buffer, string?]>(random, [
        () => [mutateBytes(random, pick(random, CONFIGS))],
        () => [mutateJson(random, TREE)],
        () => ['', pick(random, ['--model', '--trainer.callbacks+', '--datasets.__proto__.docs', '--data.a.b'])],
      ])();
      writeFileSync(path, content);
      await loadConfig([
        { kind: 'file', path },
        ...(option === undefined ? [] : [{ kind: 'override' as const, option, text: oddText(random) }]),
      ]);
    };
  },
};
