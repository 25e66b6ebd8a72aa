import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyFolder } from '../../../test/support/files.js';
import { modelFolder } from '../../../test/support/models.js';
import { Broken, type Kind } from '../kind.js';
import { pick } from '../mutate.js';

const NAMES = [
  '../victim',
  '..',
  '.',
  '',
  '/etc/passwd',
  'sub/../../victim',
  '\0',
  '../victim/model.safetensors',
  './x',
];

/** Names that another user may plant in a shared folder, hoping that we write through them. */
function plantedNames(target: string): string[] {
  const start = readFileSync('/proc/self/stat', 'latin1').split(' ').at(21)!;
  const near = Array.from({ length: 40 }, (_, i) => process.pid + i);
  return [
    ...near.map((pid) => `.rank-distillm-probe-${pid}`),
    ...near.map((pid) => `.${target}.tmp-${pid}`),
    ...near.map((pid) => `.${target}.new-${pid}-${start}-00000000-00000000`),
  ];
}

export const kind: Kind = {
  name: 'planted names and links',
  tries: { full: 2000, short: 60 },
  open({ api, folder }) {
    const victim = join(folder, 'victim');
    const model = join(folder, 'model');
    const shared = join(folder, 'shared');
    copyFolder(modelFolder('sharded-safetensors'), model);
    const indexPath = join(model, 'model.safetensors.index.json');
    const index = JSON.parse(readFileSync(indexPath, 'utf8')) as { weight_map: Record<string, string> };
    const line = `${JSON.stringify({ qid: '1', docid: 'a', query: 'q', text: 't', score: 1 })}\n`;
    writeFileSync(join(folder, 'in.jsonl'), line);

    /** The names that a model's index, and a caller from data of others, may give. */
    const hostileIndex = async (tensor: string, name: string): Promise<void> => {
      writeFileSync(indexPath, JSON.stringify({ ...index, weight_map: { ...index.weight_map, [tensor]: name } }));
      await using _ = await api.CrossEncoder.load(model);
      throw new Broken(`weight_map took ${JSON.stringify(name)}`);
    };
    const hostileRunName = async (runName: string): Promise<void> => {
      const runs = [{ runPathOrId: join(folder, 'in.jsonl') }];
      writeFileSync(indexPath, JSON.stringify(index));
      await api.rerankRuns({ model, runs, saveDir: shared, runName, overwrite: true });
      throw new Broken(`runName took ${JSON.stringify(runName)}`);
    };
    const plantedLinks = async (): Promise<void> => {
      for (const name of plantedNames('a.run')) symlinkSync(victim, join(shared, name));
      await api.writeRun(join(shared, 'a.run'), [{ queryId: 'q', docId: 'd', score: 1 }]);
      const lines = readFileSync(join(shared, 'a.run'), 'utf8').split('\n');
      if (lines.length !== 2) throw new Broken(`a.run has ${lines.length} lines`);
    };

    return async (random) => {
      rmSync(shared, { recursive: true, force: true });
      mkdirSync(shared);
      writeFileSync(victim, 'precious');
      const before = readdirSync(folder).sort().join();
      try {
        const attack = random.below(3);
        if (attack === 0) await hostileIndex(pick(random, Object.keys(index.weight_map)), pick(random, NAMES));
        else if (attack === 1) await hostileRunName(pick(random, NAMES));
        else await plantedLinks();
      } finally {
        const now = readdirSync(folder).sort().join();
        // eslint-disable-next-line no-unsafe-finally -- a lost file is worse than whatever was thrown
        if (readFileSync(victim, 'utf8') !== 'precious' || now !== before) throw new Broken(`${before} is ${now}`);
      }
    };
  },
};
