import { spawnSync, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { NamedTensor } from '../../binding.js';
import { loadCheckpoint } from '../../src/models/load-checkpoint.js';
import { readModelFiles } from '../../src/models/save-model.js';
import { readSafetensors } from '../../src/models/safetensors.js';
import type { TensorValues } from '../../src/models/raw-tensor.js';
import { writeSafetensors } from '../../src/models/safetensors.js';
import { RankDistillmError, type ErrorCode } from '../../src/errors.js';
import { findLastCheckpoint } from '../../src/train/checkpoints/find.js';
import { checkSameModel } from '../../src/train/checkpoints/trainer-checkpoint.js';
import {
  MOMENTS_FILE,
  readTrainerCheckpoint,
  saveTrainerCheckpoint,
  STATE_FILE,
} from '../../src/train/checkpoints/trainer-checkpoint.js';
import { refuses } from '../support/errors.js';
import { temporaryFolder } from '../support/files.js';
import { REFERENCES } from '../support/models.js';
import { float32Of, tensorValues } from '../support/safetensors.js';
import { momentsOf, save, STATE } from '../support/training.js';
import { LOADER } from '../support/programs.js';

const test = suite('trainer checkpoints');

const valuesOf = (tensors: readonly NamedTensor[]) =>
  new Map(tensors.map((tensor) => [tensor.name, float32Of(tensor)]));

test('what is saved is read again: state, moments, model', async () => {
  const target = join(temporaryFolder(), 'last');
  const source = await save(target);
  const read = await readTrainerCheckpoint(target);
  assert.equal(read.state, STATE);
  assert.equal(valuesOf(read.moments), new Map(momentsOf(source).map(({ name, values }) => [name, values])));
  assert.equal(valuesOf(read.model.tensors), valuesOf(source.tensors));
  assert.is((JSON.parse(readFileSync(join(target, 'config.json'), 'utf8')) as { save_step: number }).save_step, 10);
  checkSameModel(read.model, source);
});

test('a classification model of several labels, of which one is trained', async () => {
  const target = join(temporaryFolder(), 'last');
  const source = await save(target, {}, 'electra-classification-3');
  await refuses(() => readTrainerCheckpoint(target), 'bad_input', /has 3 labels/);
  const { model } = await readTrainerCheckpoint(target, 2);
  checkSameModel(model, source);
  const other = await readTrainerCheckpoint(target, 'bad');
  await refuses(async () => checkSameModel(other.model, source), 'bad_input', /label is 0 in it and 2 in/);
});

type Edit = (folder: string) => void | Promise<void>;

function editState(change: (content: Record<string, unknown> & { state: Record<string, unknown> }) => void): Edit {
  return (folder) => {
    const path = join(folder, STATE_FILE);
    const content = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown> & {
      state: Record<string, unknown>;
    };
    change(content);
    writeFileSync(path, JSON.stringify(content));
  };
}

function editMoments(change: (tensors: TensorValues[]) => TensorValues[]): Edit {
  return async (folder) => {
    const path = join(folder, MOMENTS_FILE);
    const tensors = [...(await readSafetensors(path))].map(([name, { shape }]) => ({
      name,
      shape,
      parts: () => [new Float32Array(shape.reduce((product, length) => product * length, 1))],
    }));
    await writeSafetensors(path, change(tensors));
  };
}

const REFUSALS: [what: string, edit: Edit, code: ErrorCode, message: RegExp][] = [
  ['no folder', (f) => rmSync(f, { recursive: true }), 'not_found', /no such checkpoint/],
  [
    'a file of Lightning',
    (f) => {
      rmSync(f, { recursive: true });
      writeFileSync(f, '');
    },
    'unsupported',
    /is a file; a checkpoint is a folder/,
  ],
  [
    'a model alone',
    (f) => rmSync(join(f, STATE_FILE)),
    'bad_input',
    /is not a checkpoint to resume from: it has no trainer/,
  ],
  ['no moments', (f) => rmSync(join(f, MOMENTS_FILE)), 'not_found', /optimizer\.safetensors: no such file/],
  ['no weights', (f) => rmSync(join(f, 'model.safetensors')), 'not_found', /has neither model\.safetensors/],
  ['no config.json', (f) => rmSync(join(f, 'config.json')), 'not_found', /config\.json: no such file/],
  ['a state of another program', editState((c) => (c['format'] = 'x')), 'bad_input', /json: format: expected "rank-d/],
  ['a newer format', editState((c) => (c['version'] = 3)), 'unsupported', /format version 3; this release reads 2/],
  [
    'an older format',
    editState((c) => (c['version'] = 1)),
    'unsupported',
    /version 1, which does not record the training data/,
  ],
  ['no version', editState((c) => delete c['version']), 'bad_input', /version: expected 2/],
  ['no time', editState((c) => (c['saved'] = 'today')), 'bad_input', /saved: expected a time/],
  ['no state', editState((c) => delete (c as { state?: object }).state), 'bad_input', /json: state: .*expected object/],
  ['half a step', editState((c) => (c.state['step'] = 1.5)), 'bad_input', /state\.step: .*expected int/],
  ['a step below 0', editState((c) => (c.state['step'] = -1)), 'bad_input', /state\.step: Too small/],
  ['no epoch', editState((c) => delete c.state['epoch']), 'bad_input', /state\.epoch: .*expected number/],
  ['an unknown phase', editState((c) => (c.state['phase'] = 'x')), 'bad_input', /state\.phase: Invalid option/],
  ['an unknown key', editState((c) => (c.state['steps'] = 1)), 'bad_input', /json: state: Unrecognized key: "steps"/],
  [
    'a key of a part that is missing',
    editState((c) => delete (c.state['run'] as { tokenBudget?: number }).tokenBudget),
    'bad_input',
    /state\.run\.tokenBudget: .*expected number/,
  ],
  ['a state cut short', (f) => writeFileSync(join(f, STATE_FILE), '{"format": '), 'bad_input', /is not JSON/],
  ['a moment too few', editMoments((t) => t.slice(1)), 'bad_input', /exp_avg\.embeddings\.word_embed\S* is missing/],
  [
    'a moment too many',
    editMoments((t) => [...t, { name: 'exp_avg.x', shape: [0], parts: () => [] }]),
    'bad_input',
    /holds exp_avg\.x, which is not a moment/,
  ],
  [
    'a moment of another shape',
    editMoments(([first, ...t]) => [{ ...first!, shape: first!.shape.toReversed() }, ...t]),
    'bad_input',
    /expected float32 \[159, 16\], found float32 \[16, 159\]/,
  ],
  [
    'weights cut short',
    (f) => writeFileSync(join(f, 'model.safetensors'), readFileSync(join(f, 'model.safetensors')).subarray(0, -4)),
    'bad_input',
    /model\.safetensors: tensor .* not in the file/,
  ],
];

for (const [what, edit, code, message] of REFUSALS) {
  test(`refused: ${what}`, async () => {
    const target = join(temporaryFolder(), 'last');
    await save(target);
    await edit(target);
    await refuses(() => readTrainerCheckpoint(target), code, message);
  });
}

for (const [model, overrides, message] of [
  ['mono-bert', {}, /class is MonoElectraModel in it and MonoBertModel in/],
  ['mono-head-64', {}, /embeddingSize is 16 in it and 64 in/],
  ['mono-head-32', {}, /heads is 2 in it and 1 in/],
  ['mono-mean', {}, /pooling is first in it and mean in/],
  ['mono-rank', { linearBias: true }, /bias is false in it and true/],
  ['mono-rank', { queryLength: null }, /query_length is 8 in it and null in/],
  ['mono-rank', { docLength: 41 }, /doc_length is 40 in it and 41 in/],
] as const) {
  test(`a checkpoint of another model than ${model} ${JSON.stringify(overrides)}`, async () => {
    const target = join(temporaryFolder(), 'last');
    await save(target);
    const wanted = await loadCheckpoint(join(REFERENCES, model), { overrides: overrides });
    const { model: saved } = await readTrainerCheckpoint(target);
    await refuses(async () => checkSameModel(saved, wanted), 'bad_input', message);
  });
}

test('the newest whole checkpoint of all runs below a root', async () => {
  const root = temporaryFolder();
  assert.is(await findLastCheckpoint(root), undefined);
  assert.is(await findLastCheckpoint(join(root, 'missing')), undefined);
  const checkpoints = (version: number) => {
    const folder = join(root, 'lightning_logs', `version_${version}`, 'checkpoints');
    mkdirSync(folder, { recursive: true });
    return folder;
  };
  const [first, second, none] = [checkpoints(9), checkpoints(10), checkpoints(11)];
  const saveLater = async (target: string, step: number): Promise<string> => {
    await save(target, { step });
    await sleep(2); // the time is noted in milliseconds
    return target;
  };
  const [five, twenty] = [await saveLater(join(first, 'step=5'), 5), await saveLater(join(first, 'step=20'), 20)];
  symlinkSync('step=5', join(first, 'last'));
  assert.is(await findLastCheckpoint(root), twenty);
  const rerun = await saveLater(join(second, 'step=15'), 15);
  assert.is(await findLastCheckpoint(root), rerun, 'a second run in the same root has fewer steps and is newer');

  // what is no whole checkpoint, or none at all
  cpSync(rerun, join(none, '.step=20.new-1-1-0123abcd-0123abcd'), { recursive: true });
  mkdirSync(join(none, 'empty'));
  writeFileSync(join(none, 'file'), '');
  for (const missing of ['model.safetensors', MOMENTS_FILE, 'config.json', STATE_FILE]) {
    const half = await saveLater(join(none, `without ${missing}`), 30);
    rmSync(join(half, missing));
  }
  writeFileSync(join(await saveLater(join(none, 'damaged'), 30), STATE_FILE), '{');
  assert.is(await findLastCheckpoint(root), rerun);

  mkdirSync(join(root, 'checkpoints'));
  const unversioned = await saveLater(join(root, 'checkpoints', 'step=1'), 1);
  assert.is(await findLastCheckpoint(root), unversioned);
  const elsewhere = await saveLater(join(temporaryFolder(), 'x'), 2);
  assert.is(await findLastCheckpoint(root, [join(elsewhere, '..')]), elsewhere);
  rmSync(join(root, 'checkpoints'), { recursive: true });
  rmSync(rerun, { recursive: true });
  rmSync(twenty, { recursive: true });
  assert.is(await findLastCheckpoint(root), five, 'by its own name, not through the link');
});

test('a checkpoint whose replacement was cut short is found and read', async () => {
  const root = temporaryFolder();
  const folder = join(root, 'checkpoints');
  mkdirSync(folder);
  const target = join(folder, 'last');
  await save(target);
  renameSync(target, join(folder, `.last.old-${spawnSync('true').pid}-1-0123abcd-0123abcd`));
  assert.is(await findLastCheckpoint(root), target);
  renameSync(target, join(folder, `.last.old-${spawnSync('true').pid}-1-0123abcd-0123abcd`));
  assert.equal((await readTrainerCheckpoint(target)).state, STATE);
});

test('what cannot be saved is not, and the checkpoint before stays', async () => {
  const folder = temporaryFolder();
  const target = join(folder, 'last');
  const source = await save(target);
  const files = await readModelFiles(source.folder);
  const content = { source, files, parameters: tensorValues(source.tensors), moments: momentsOf(source), state: STATE };
  const [first, ...others] = content.moments;
  const failing = (): Generator<Float32Array> => {
    throw new RankDistillmError('closed', 'the model is closed', { hint: 'Load it again.' });
  };
  const before = readFileSync(join(target, STATE_FILE), 'utf8');
  for (const [change, code, message] of [
    [{ moments: others }, 'bad_input', /last\/optimizer\.safetensors: tensor exp_avg\.embeddings\S+ is missing/],
    [{ moments: [{ ...first!, parts: failing }, ...others] }, 'closed', /the model is closed/],
    [{ parameters: content.parameters.slice(1) }, 'bad_input', /cannot be saved: tensor embeddings\S+ is missing/],
  ] as const) {
    await refuses(() => saveTrainerCheckpoint(target, { ...content, ...change }), code, message);
    assert.equal(readdirSync(folder), ['last']);
    assert.is(readFileSync(join(target, STATE_FILE), 'utf8'), before);
  }
});

/** A tmpfs in a mount namespace of its own, where this process may make one. */
const fullDisk = spawnSync('unshare', ['--mount', '--map-root-user', 'true']).status === 0;
if (!fullDisk) console.log('left out: a full disk, since this machine lets nobody make a mount namespace');
else {
  test('a full disk is one error that names the checkpoint; those before stay', () => {
    const parent = temporaryFolder();
    const child = fileURLToPath(new URL('save-checkpoints.ts', import.meta.url));
    const command = [process.execPath, '--import', LOADER, child, parent];
    const output = execFileSync('unshare', ['--mount', '--map-root-user', ...command], { encoding: 'utf8' });
    const { whole, names, errors } = JSON.parse(output) as Record<string, string[]>;
    assert.equal(names, whole, 'nothing half-written is left');
    assert.ok(whole!.length > 0 && errors!.length > 0);
    for (const error of errors!)
      assert.match(error, /^io \S+\/step=\d+\/\S+: cannot write: no space left on the device$/);
  });
}

test.run();
