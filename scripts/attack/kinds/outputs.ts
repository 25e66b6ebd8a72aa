import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeCollection } from '../../../test/support/collections.js';
import { Broken, type Kind } from '../kind.js';
import { pick } from '../mutate.js';

/** Names that lead to the file: itself, links, hard links, and paths through other folders. */
const DISGUISES: ((target: string, room: string) => string)[] = [
  (target) => target,
  (target) => join(dirname(target), '..', basename(dirname(target)), basename(target)),
  (target, room) => {
    symlinkSync(target, join(room, 'link'));
    symlinkSync('link', join(room, 'link-to-link'));
    return join(room, 'link-to-link');
  },
  (target, room) => {
    if (!existsSync(target)) return target;
    linkSync(target, join(room, 'hard-link'));
    return join(room, 'hard-link');
  },
  (target, room) => {
    symlinkSync(dirname(target), join(room, 'folder'));
    return join(room, 'folder', basename(target));
  },
];

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

export const kind: Kind = {
  name: 'outputs over inputs',
  tries: { full: 3000, short: 60 },
  async open({ api, folder }) {
    await writeCollection(folder);
    const inFolder = (name: string): string => join(folder, name);
    const runPathOrId = inFolder('data/__bm25__tiny-set.run');
    const registry = new api.DatasetRegistry();
    const data = (name: string): string => inFolder(`data/${name}`);
    registry.register('tiny-set', { docs: data('docs.tsv'), queries: data('queries.tsv'), qrels: data('test.qrels') });
    const model = await api.CrossEncoder.load(inFolder('mono-rank'));
    const dataset = await api.RunDataset.open({ runPathOrId }, registry);
    const inputs = [...filesBelow(inFolder('data')), ...filesBelow(inFolder('mono-rank'))];
    const before = new Map(inputs.map((path) => [path, readFileSync(path)]));
    // files that a model would be read from the next time
    const targets = [...inputs, inFolder('mono-rank/pytorch_model.bin'), inFolder('mono-rank/merges.txt')];

    return async (random) => {
      const room = inFolder('room');
      rmSync(room, { recursive: true, force: true });
      mkdirSync(room);
      const isFree = random.below(4) === 0;
      const target = isFree ? join(room, 'new.run') : pick(random, targets);
      const path = pick(random, DISGUISES)(target, room);
      const around = { countPairs: () => dataset.countPairs(2), samples: () => dataset.samples(2) };
      const write = pick(random, [
        () => api.writeRun(path, [{ queryId: 'q', docId: 'd', score: 1 }]),
        () => api.rerank({ model, dataset, outputPath: path, tag: 'x' }),
        () => api.rerank({ model, dataset: around, outputPath: path, tag: 'x' }),
        () =>
          api.rerankRuns({
            ...{ model: inFolder('mono-rank'), runs: [{ runPathOrId }], registry, overwrite: true },
            ...{ saveDir: dirname(path), runName: basename(path), onNote: () => undefined },
          }),
      ]);
      try {
        await write();
        if (!isFree) throw new Broken(`${path} was written, which is ${target}`);
      } finally {
        const changed = inputs.find((input) => !existsSync(input) || !readFileSync(input).equals(before.get(input)!));
        const added = targets.slice(inputs.length).find((name) => existsSync(name));
        if (changed ?? added) {
          for (const name of targets.slice(inputs.length)) rmSync(name, { force: true });
          for (const [name, bytes] of before) writeFileSync(name, bytes);
          // eslint-disable-next-line no-unsafe-finally -- a lost input is worse than whatever was thrown
          throw new Broken(`${changed ?? added} was written over through ${path}`);
        }
      }
    };
  },
};
