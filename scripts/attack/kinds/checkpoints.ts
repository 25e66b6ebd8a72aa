import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchSample, FitOptions } from '../../../src/index.js';
import type { RandomStream } from '../../../src/random/random-stream.js';
import { datasetOf } from '../../../test/support/training-samples.js';
import { Broken, type Kind, type Place } from '../kind.js';
import { mutateBytes, mutateJson, pick } from '../mutate.js';

const MODEL = new URL('../../../test/golden/references/mono-rank', import.meta.url).pathname;
const STATE = 'trainer_state.json';
const STEPS = 4;
/** Where a state could lead to: out of its folder, or to siblings that are not the run's. */
const PLANTED = [
  '../precious',
  '../../precious',
  '/tmp',
  '..',
  '.',
  '',
  'a/../b',
  'theirs',
  'last',
  '\u0000',
  '.hidden',
];

/** Checkpoints of a run whose files are damaged or whose state was made by somebody else; the run is resumed. */
export const kind: Kind = {
  name: 'damaged checkpoints',
  tries: { full: 2000, short: 40 },
  async open({ api, folder }) {
    const base = join(folder, 'base');
    const other = join(folder, 'other');
    await train(api, other, { seed: 5, trainer: { maxSteps: 1 } });
    await train(api, base, { trainer: { maxSteps: STEPS } });
    const whole = weights(base);
    await train(api, join(folder, 'half'), { trainer: { maxSteps: STEPS - 1 } });
    const names = readdirSync(join(folder, 'half/checkpoints')).sort();
    const newest = names.at(-1)!;
    const files = readdirSync(join(folder, 'half/checkpoints', newest));
    return async (random) => {
      const root = join(folder, 'run');
      rmSync(root, { recursive: true, force: true });
      cpSync(join(folder, 'half'), root, { recursive: true });
      // another run's checkpoints, beside the folder and in it
      for (const place of ['precious', 'checkpoints/theirs'])
        cpSync(join(other, 'checkpoints/step=1'), join(root, place), { recursive: true });
      const checkpoint = join(root, 'checkpoints', newest);
      const isForged = random.below(2) === 0;
      if (isForged) forgeState(random, join(checkpoint, STATE));
      else if (!damage(random, join(checkpoint, pick(random, files)))) return;
      const ended = await resume(api, root, checkpoint);
      if (!isForged && ended === undefined) throw new Broken('a damaged checkpoint was resumed');
      for (const place of ['precious', 'checkpoints/theirs']) {
        const left = existsSync(join(root, place)) ? readdirSync(join(root, place)).length : 0;
        if (left !== files.length) throw new Broken(`${place} was changed`);
      }
      if (!isForged) {
        const again = await resume(api, root, 'last');
        if (again !== undefined) throw again;
        if (!weights(root).equals(whole)) throw new Broken('last ended in another model');
      } else if (ended !== undefined) throw ended;
    };
  },
};

function weights(root: string): Buffer {
  return readFileSync(join(root, `checkpoints/step=${STEPS}/model.safetensors`));
}

/** @returns what was thrown */
async function resume(api: Place['api'], root: string, ckptPath: string): Promise<Error | undefined> {
  try {
    await train(api, root, { ckptPath, trainer: { maxSteps: STEPS } });
    return undefined;
  } catch (error) {
    if (!(error instanceof api.RankDistillmError)) throw error;
    return error;
  }
}

async function train(api: Place['api'], root: string, options: Partial<FitOptions>): Promise<void> {
  const samples: BatchSample[] = [1, 2, 3].map((i) => ({
    queryId: `q${i}`,
    query: 'what is it',
    docIds: ['a', 'b'],
    docs: [`the fox ${i}`, 'a dog'],
    targets: [1, 0],
  }));
  await api.fit({
    model: MODEL,
    train: {
      dataset: datasetOf(samples),
      batchSize: 2,
      shuffle: false,
    },
    losses: [api.createLoss('RankNet')],
    checkpoints: [{ filename: '{step}', everyNTrainSteps: 1, saveTopK: 2, monitor: 'step', mode: 'max' }],
    onWarning: () => undefined,
    ...options,
    trainer: { defaultRootDir: root, threads: 1, maxEpochs: -1, tokenBudget: 4096, ...options.trainer },
  });
}

/** @returns false: the bytes are the same by chance */
function damage(random: RandomStream, path: string): boolean {
  const before = readFileSync(path);
  const after = Buffer.from(before);
  if (random.below(2) === 0) after[random.below(after.length)]! ^= 1 << random.below(8);
  const bytes = after.equals(before) ? mutateBytes(random, before) : after;
  writeFileSync(path, bytes);
  return !bytes.equals(before);
}

/** A state with foreign values and names, and the checksum that belongs to it. */
function forgeState(random: RandomStream, path: string): void {
  const content = JSON.parse(readFileSync(path, 'utf8')) as {
    checksum?: string;
    state: { keepers: Record<string, unknown>[] };
  };
  delete content.checksum;
  const [keeper] = content.state.keepers as [Record<string, unknown>];
  const name = pick(random, PLANTED);
  const place =
    random.below(2) === 0 ? name : { folder: pick(random, ['/tmp', '..', `${String(keeper['folder'])}/..`]), name };
  const forged = pick(random, ['obsolete', 'kept', 'last', 'interrupted', 'any']);
  if (forged === 'kept') keeper['kept'] = [{ name, step: 1, score: 0 }];
  else if (forged === 'any') content.state = JSON.parse(mutateJson(random, content.state)) as typeof content.state;
  else keeper[forged] = forged === 'obsolete' ? [place] : place;
  const text = JSON.stringify(content, null, 2).slice(0, -'\n}'.length);
  const hash = createHash('sha256')
    .update(`${Buffer.byteLength(text)}\n`)
    .update(text)
    .digest('hex');
  writeFileSync(path, `${text},\n  "checksum": "sha256:${hash}"\n}\n`);
}
