import { appendFileSync, cpSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { root } from '../../lib/root.mjs';
import { copyFolder } from '../../../test/support/files.js';
import { Broken, type Kind } from '../kind.js';
import { pick } from '../mutate.js';

const MODELS = ['mono-rank', 'mono-electra', 'sharded-safetensors', 'stored-as-float16'];
const PAIRS = ['the fox', 'a lazy dog', 'nothing'].map((document) => ({ query: 'what is it', document }));
/** Loading a tiny model takes about as long. */
const LOADING_MS = 30;

/** What happens to a weight file that others write to. */
const CHANGES: ((file: string) => void)[] = [
  (file) => truncateSync(file, 0),
  (file) => truncateSync(file, readFileSync(file).length / 2),
  (file) => writeFileSync(file, readFileSync(file).fill(0x3e, 20_000)),
  (file) => appendFileSync(file, 'more'),
  (file) => rmSync(file),
  (file) => {
    cpSync(file, `${file}.new`);
    renameSync(`${file}.new`, file);
  },
];

export const kind: Kind = {
  name: 'weights that change under a model',
  tries: { full: 2000, short: 60 },
  seconds: 20,
  async open({ api, folder }) {
    const expected = new Map<string, Float32Array>();
    const source = (name: string): string => join(root, 'test/golden/references', name);
    for (const name of MODELS) {
      await using model = await api.CrossEncoder.load(source(name), { onWarning: () => undefined });
      expected.set(name, await model.score(PAIRS));
    }
    return async (random, index) => {
      const name = pick(random, MODELS);
      const change = pick(random, CHANGES);
      const during = random.below(2) === 0;
      const copy = join(folder, `model-${index}`);
      copyFolder(source(name), copy);
      const files = ['model.safetensors', 'pytorch_model.bin', 'model-00001-of-00003.safetensors'];
      const file = files.map((own) => join(copy, own)).find((path) => isThere(path))!;
      try {
        const load = random.below(4) === 0 ? trainable : scoring;
        const loading = load(copy);
        if (during) {
          await wait(random.below(LOADING_MS));
          change(file);
        }
        await using model = await loading;
        if (!during) change(file);
        const scores = await model.scores();
        // a file that changed before it was opened is just another model
        if (!during && scores.some((score, i) => score !== model.expected(name)[i]))
          throw new Broken(`${name}: ${scores.join()}`);
      } finally {
        rmSync(copy, { recursive: true, force: true });
      }
    };

    async function scoring(copy: string) {
      const model = await api.CrossEncoder.load(copy, { onWarning: () => undefined });
      return {
        scores: async () => [...(await model.score(PAIRS, { nonFinite: 'return' }))],
        expected: (name: string) => expected.get(name)!,
        [Symbol.asyncDispose]: () => model.close(),
      };
    }

    async function trainable(copy: string) {
      const model = await api.TrainableModel.load(copy, { onWarning: () => undefined });
      const scores = async (): Promise<number[]> => {
        const found: number[] = [];
        for await (const window of model.scoreWindows(PAIRS)) found.push(...window.scores);
        return found;
      };
      const before = await scores();
      return { scores, expected: () => before, [Symbol.asyncDispose]: () => model.close() };
    }
  },
};

function isThere(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
