import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { run } from '../support/cli.js';
import { writeTrainingCollection } from '../support/collections.js';
import { inFolder, temporaryFolder, useOwnCache } from '../support/files.js';
import { modelFolder } from '../support/models.js';
import { inShell } from '../support/programs.js';

const test = suite('fit loses nothing and leaves nothing');
useOwnCache(test);

const VERSIONS = 'out/lightning_logs';
const FIT = ['fit', '--config', 'config.yaml', '--trainer.enable_progress_bar=false'];
const EVERY_STEP =
  '--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {every_n_train_steps: 1, save_top_k: 2, monitor: step, mode: max}}';
const LAST = '--ckpt_path=last';
const checkpoints = (folder: string, version: number): string =>
  join(folder, VERSIONS, `version_${version}/checkpoints`);

/** A run of three steps of six with its checkpoints of steps 2 and 3, and the weights at the end of step 6. */
const trained = temporaryFolder();
let whole: Buffer;
test.before(async () => {
  await writeTrainingCollection(trained);
  for (const argv of [['--trainer.default_root_dir=whole'], ['--trainer.max_steps=3', EVERY_STEP]]) {
    const { code, stderr } = await run([...FIT, ...argv], { cwd: trained });
    assert.is(code, 0, stderr);
  }
  whole = weights(trained, 'whole/lightning_logs/version_0');
});

function weights(folder: string, version: string): Buffer {
  return readFileSync(join(folder, version, 'huggingface_checkpoint/model.safetensors'));
}

/** What `act` does with a copy of that run. */
function inTrained(name: string, act: (folder: string) => Promise<void>): void {
  test(name, () =>
    inFolder(async (folder) => {
      await cp(trained, folder, { recursive: true, verbatimSymlinks: true });
      await act(folder);
    }),
  );
}

const NEWEST = `${VERSIONS}/version_0/checkpoints/epoch=0-step=3`;
const BEFORE = `${VERSIONS}/version_0/checkpoints/epoch=0-step=2`;

async function flip(path: string, place: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[Math.floor(place * (bytes.length - 1))]! ^= 0x04;
  await writeFile(path, bytes);
}

for (const name of readdirSync(modelFolder()).concat('optimizer.safetensors', 'trainer_state.json')) {
  inTrained(`a flipped byte in ${name} is noticed, and last takes the checkpoint before`, async (folder) => {
    const file = join(folder, NEWEST, name);
    if (!existsSync(file)) return; // a file that only the reference needs
    const before = await readFile(file);
    for (const place of [0, 0.37, 1]) {
      await flip(file, place);
      const { code, stderr } = await run([...FIT, EVERY_STEP, '--ckpt_path', NEWEST], { cwd: folder });
      assert.is(code, 2, stderr);
      assert.match(stderr, new RegExp(`^error: .*step=3/${name.replaceAll('.', '\\.')}`, 'm'));
      assert.match(stderr, /^hint: Resume from .*step=2, the newest whole one/m);
      if (place < 1) await writeFile(file, before);
    }
    const { code, stderr } = await run([...FIT, EVERY_STEP, LAST], { cwd: folder });
    assert.is(code, 0, stderr);
    assert.match(stderr, /^warning: .*step=3\/.*; resuming from .*step=2 instead$/m);
    assert.match(stderr, /^continuing from step 2 of /m);
    assert.ok(
      weights(folder, `${VERSIONS}/version_1`).equals(whole),
      'the same bits as a run that was never disturbed',
    );
  });
}

inTrained('names in a state lead to no other folder', async (folder) => {
  const path = join(folder, NEWEST, 'trainer_state.json');
  const text = await readFile(path, 'utf8');
  await cp(join(folder, BEFORE), join(folder, 'other/best'), { recursive: true });
  for (const name of ['../../../../other/best', '/tmp', '..', '.', '', 'a/b']) {
    const content = JSON.parse(text) as { state: { keepers: { obsolete: string[] }[] } };
    content.state.keepers[0]!.obsolete = [name];
    await writeFile(path, JSON.stringify(content));
    const { code, stderr } = await run([...FIT, EVERY_STEP, '--ckpt_path', NEWEST], { cwd: folder });
    assert.is(code, 2, stderr);
    assert.match(stderr, /trainer_state\.json: state\.keepers\.0\.obsolete\.0: /);
    assert.ok(existsSync(join(folder, 'other/best/config.json')));
  }
});

inTrained('a restarted run counts and removes the checkpoints of its earlier versions', async (folder) => {
  const { code, stderr } = await run([...FIT, EVERY_STEP, LAST, '--trainer.max_steps=4'], { cwd: folder });
  assert.is(code, 0, stderr);
  assert.equal(readdirSync(checkpoints(folder, 0)), ['epoch=0-step=3']);
  assert.equal(readdirSync(checkpoints(folder, 1)), ['epoch=1-step=4']);
  await run([...FIT, EVERY_STEP, LAST], { cwd: folder });
  assert.not.ok(existsSync(checkpoints(folder, 0)));
  assert.not.ok(existsSync(checkpoints(folder, 1)));
  assert.equal(readdirSync(checkpoints(folder, 2)), ['epoch=1-step=5', 'epoch=1-step=6']);
});

inTrained('a checkpoint that was named to resume from stays, and so do the others of its run', async (folder) => {
  const { code, stderr } = await run([...FIT, EVERY_STEP, '--ckpt_path', NEWEST], { cwd: folder });
  assert.is(code, 0, stderr);
  assert.equal(readdirSync(checkpoints(folder, 0)), ['epoch=0-step=2', 'epoch=0-step=3']);
});

inTrained('what killed runs left goes with the next run, whatever its name', async (folder) => {
  const dead = `${spawnSync('true').pid}-1-0123abcd-0123abcd`;
  const version = join(folder, VERSIONS, 'version_0');
  const old = new Date(0);
  const strays = [
    join(version, `checkpoints/.epoch=0-step=9.new-${dead}`),
    join(version, `checkpoints/.epoch=0-step=1.gone-${dead}`),
    join(version, `.huggingface_checkpoint.new-${dead}`),
  ];
  for (const stray of strays) await mkdir(stray);
  // killed before its first step, and one that somebody put a file into
  for (const [number, name] of [
    [1, 'pl_config.yaml'],
    [2, 'notes.txt'],
  ] as const) {
    await mkdir(join(folder, VERSIONS, `version_${number}/checkpoints`), { recursive: true });
    await writeFile(join(folder, VERSIONS, `version_${number}`, name), '');
    strays.push(join(folder, VERSIONS, `.version_${number}.new-${dead}`));
    await writeFile(strays.at(-1)!, '');
  }
  for (const stray of strays) spawnSync('touch', ['-d', old.toISOString(), stray]);
  const { code, stderr } = await run([...FIT, '--trainer.max_steps=1'], { cwd: folder });
  assert.is(code, 0, stderr);
  for (const stray of strays) assert.not.ok(existsSync(stray), stray);
  assert.equal(readdirSync(join(folder, VERSIONS)), ['version_0', 'version_2', 'version_3']);
});

inTrained('an output folder that is a link to another place is the same run', async (folder) => {
  await rename(join(folder, 'out'), join(folder, 'scratch'));
  await symlink('scratch', join(folder, 'out'));
  const { code, stderr } = await run([...FIT, EVERY_STEP, LAST], { cwd: folder });
  assert.is(code, 0, stderr);
  assert.ok(weights(folder, `${VERSIONS}/version_1`).equals(whole));
});

test('last starts a run where there is none yet', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const { code, stderr } = await run([...FIT, LAST], { cwd: folder });
    assert.is(code, 0, stderr);
    assert.match(
      stderr,
      /^warning: ckpt_path last: there is no checkpoint below .*: the run starts from its beginning$/m,
    );
    assert.ok(weights(folder, `${VERSIONS}/version_0`).equals(whole));
  }));

test('another label of a classification model is another run', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const model = ['--model.model_name_or_path', modelFolder('electra-classification-3')];
    const first = await run([...FIT, ...model, '--model.label=1', '--trainer.max_steps=2'], { cwd: folder });
    assert.is(first.code, 0, first.stderr);
    const { code, stderr } = await run([...FIT, ...model, '--model.label=2', LAST], { cwd: folder });
    assert.is(code, 2, stderr);
    assert.match(stderr, /was saved by another run: label was 1 and is now 2\n/);
    const same = await run([...FIT, ...model, '--model.label=1', LAST], { cwd: folder });
    assert.is(same.code, 0, same.stderr);
  }));

inTrained('with another limit_train_batches as many steps run as are announced', async (folder) => {
  for (const limit of ['1', '2', '0.7']) {
    const root = `${limit}-out`;
    await cp(join(folder, 'out'), join(folder, root), { recursive: true, verbatimSymlinks: true });
    const argv = ['--trainer.max_steps=-1', '--trainer.max_epochs=4', `--trainer.limit_train_batches=${limit}`, LAST];
    const { code, stderr } = await run([...FIT, ...argv, `--trainer.default_root_dir=${root}`], { cwd: folder });
    assert.is(code, 0, stderr);
    const announced = /^steps +(\d+) /m.exec(stderr)?.[1];
    assert.is(/^Finished at step (\d+) /m.exec(stderr)?.[1], announced, stderr);
  }
});

test('a name that is too long is told before the first step', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    for (const filename of [
      'x'.repeat(220),
      `{epoch}-{${'dev.run/nDCG@10'}}-${'é'.repeat(90)}`,
      '{loss:.49f}'.repeat(4),
    ]) {
      const callback = `--trainer.callbacks+={class_path: ModelCheckpoint, init_args: {filename: "${filename}"}}`;
      const { code, stderr } = await run([...FIT, callback], { cwd: folder });
      assert.is(code, 2, stderr);
      assert.match(stderr, /filename: makes names of up to \d+ bytes, too long for /);
      assert.not.match(stderr, /^step 3/m);
    }
    assert.not.ok(existsSync(join(folder, 'out')));
  }));

test('a checkpoint that cannot be written is kept elsewhere, and the run goes on from there', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const taken = await run([...FIT, EVERY_STEP], {
      cwd: folder,
      onStderr: (text) => {
        // a file where the folder was
        if (!text.startsWith('step 3')) return;
        spawnSync('rm', ['-r', join(folder, 'out')]);
        writeFileSync(join(folder, 'out'), '');
      },
    });
    assert.is(taken.code, 2, taken.stderr);
    const [, place = ''] = /^hint: The checkpoint is kept in (\S+): .*ckpt_path: \1$/m.exec(taken.stderr) ?? [];
    assert.ok(existsSync(join(place, 'trainer_state.json')), taken.stderr);
    await using model = await CrossEncoder.load(place);
    assert.is(model.modelClass, 'MonoElectraModel');
    await rm(join(folder, 'out'));
    const { code, stderr } = await run([...FIT, '--ckpt_path', place], { cwd: folder });
    assert.is(code, 0, stderr);
    assert.ok(weights(folder, `${VERSIONS}/version_0`).equals(whole));
    assert.ok(existsSync(place), 'what was named stays');
  }));

/** A tmpfs in a mount namespace of its own, where this process may make one. */
const fullDisk = spawnSync('unshare', ['--mount', '--map-root-user', 'true']).status === 0;
if (!fullDisk) console.log('left out: a full disk, since this machine lets nobody make a mount namespace');
else {
  test('no room for one checkpoint is told before the first step', () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      const script = `mkdir out && mount -t tmpfs -o size=120k none out && ${inShell(FIT)}; echo "code $?"; ls -A out`;
      const { stdout, stderr } = spawnSync('unshare', ['--mount', '--map-root-user', 'sh', '-c', script], {
        cwd: realpathSync(folder),
        encoding: 'utf8',
      });
      assert.match(
        stderr,
        /^error: out\/.*: no room for a checkpoint: a checkpoint takes about \S+ MB, and \S+ MB are free$/m,
      );
      assert.is(stdout, 'code 2\n', 'nothing is left');
    }));
}

test.run();
