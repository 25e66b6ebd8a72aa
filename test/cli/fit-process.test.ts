import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/cli.js';
import { inFolder, useOwnCache } from '../support/files.js';
import { writeTrainingCollection } from '../support/collections.js';
import { HANGS_MS, inShell, start } from '../support/programs.js';

const test = suite('fit as a process');
useOwnCache(test);

const VERSION = 'out/lightning_logs/version_0';
const ENDLESS = ['fit', '--config', 'config.yaml', '--trainer.max_steps=1000000', '--data.inference_datasets=null'];
const callback = (args: string): string => `--trainer.callbacks+={class_path: ModelCheckpoint, init_args: ${args}}`;
const OFTEN = callback('{every_n_train_steps: 5, save_top_k: 2, monitor: step, mode: max}');

/** Calls `then` as soon as a path is there. */
function once(path: string, then: () => void): void {
  const timer = setInterval(() => {
    if (!existsSync(path)) return;
    clearInterval(timer);
    then();
  }, 5);
  timer.unref();
}

const checkpoints = (folder: string): string[] => readdirSync(join(folder, VERSION, 'checkpoints'));

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} finishes the step, saves and ends with 130; what is saved goes on`, () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      const seldom = callback('{every_n_train_steps: 900000}');
      const { code, stdout, stderr } = await start([...ENDLESS, seldom, '--trainer.logger=CSVLogger'], folder, {
        act: (kill) => once(join(folder, VERSION, 'metrics.csv'), () => setTimeout(() => kill(signal), 100)),
      });
      assert.is(code, 130, stderr);
      assert.is(stdout, '');
      assert.match(stderr, /interrupting; press Ctrl-C again/);
      assert.match(stderr, /interrupted\n$/);
      const [name, ...others] = checkpoints(folder);
      assert.equal(others, []);
      const step = Number(/step=(\d+)$/.exec(name ?? '')?.[1]);
      assert.ok(step > 0, name);

      const until = [
        'fit',
        '--config',
        'config.yaml',
        '--data.inference_datasets=null',
        `--trainer.max_steps=${step + 2}`,
      ];
      const resumed = await run([...until, '--ckpt_path=last'], { cwd: folder });
      assert.is(resumed.code, 0, resumed.stderr);
      assert.match(resumed.stderr, new RegExp(`^continuing from step ${step} of `, 'm'));
      const whole = await run([...until, '--trainer.default_root_dir=whole'], { cwd: folder });
      assert.is(whole.code, 0, whole.stderr);
      const weights = (path: string): Buffer =>
        readFileSync(join(folder, path, 'huggingface_checkpoint/model.safetensors'));
      assert.ok(weights('out/lightning_logs/version_1').equals(weights('whole/lightning_logs/version_0')));
    }));
}

test('a second signal ends at once: nothing is saved and nothing half-written is left', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const seldom = callback('{every_n_train_steps: 900000}');
    const { code, stdout, stderr } = await start([...ENDLESS, seldom, '--trainer.logger=CSVLogger'], folder, {
      act: (kill) =>
        once(join(folder, VERSION, 'metrics.csv'), () => {
          kill('SIGINT');
          kill('SIGTERM'); // two of the same kind may arrive as one
        }),
    });
    assert.is(code, 130, stderr);
    assert.is(stdout, '');
    assert.match(stderr, /interrupting; press Ctrl-C again to stop at once\n$/);
    const left = readdirSync(join(folder, VERSION), { recursive: true, withFileTypes: true });
    const files = left.filter((entry) => entry.isFile()).map(({ name }) => name);
    assert.equal(files.sort(), ['metrics.csv', 'pl_config.yaml']);
  }));

test('Ctrl-C that ends the reader of stderr, too, saves and ends with 130', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const seldom = callback('{every_n_train_steps: 900000}');
    const fit = inShell([...ENDLESS, seldom, '--trainer.logger=CSVLogger']);
    // a process group of its own, which is what a terminal sends Ctrl-C to
    const group = spawn('sh', ['-c', `(trap : INT; ${fit}; echo $? > code) 2>&1 | tee log`], {
      cwd: folder,
      detached: true,
      stdio: 'ignore',
    });
    once(join(folder, VERSION, 'metrics.csv'), () => setTimeout(() => process.kill(-group.pid!, 'SIGINT'), 100));
    // the shell around them ends with tee, before fit
    const code = join(folder, 'code');
    while (!existsSync(code) || readFileSync(code, 'utf8') === '') await sleep(10);
    assert.is(readFileSync(code, 'utf8'), '130\n');
    assert.match(checkpoints(folder).join(), /^epoch=\d+-step=\d+$/);
  }));

test('stderr that cannot be written is no failure', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const { status, stdout } = spawnSync('sh', ['-c', `${inShell(['fit', '--config', 'config.yaml'])} 2> /dev/full`], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.is(status, 0);
    assert.match(stdout, /^dev\.run /m);
    assert.equal(checkpoints(folder), ['epoch=1-step=6']);
  }));

test('a folder that is taken away while fit runs is one error', () =>
  inFolder(async (folder) => {
    await writeTrainingCollection(folder);
    const { code, stdout, stderr } = await start([...ENDLESS, OFTEN], folder, {
      act: () =>
        once(join(folder, VERSION, 'checkpoints/epoch=1-step=5'), () =>
          renameSync(join(folder, 'out'), join(folder, 'elsewhere')),
        ),
    });
    assert.is(code, 2, stderr);
    assert.is(stdout, '');
    assert.match(stderr, /^error: out\/lightning_logs\/version_0\/.*\nhint: .+\n$/m);
    assert.not.ok(existsSync(join(folder, 'out')), 'nothing is made again');
  }));

const namespaces = spawnSync('unshare', ['--mount', '--map-root-user', 'true']).status === 0;
if (!namespaces) console.log('left out: a full disk, since this machine lets nobody make a mount namespace');
else {
  test('a full disk is one error; the checkpoints before it stay whole', () =>
    inFolder(async (folder) => {
      await writeTrainingCollection(folder);
      const quoted = inShell([...ENDLESS, callback('{every_n_train_steps: 1, save_top_k: -1}')]);
      const last = inShell(['fit', '--config', 'config.yaml', '--trainer.default_root_dir=after']);
      const script = [
        'mkdir out && mount -t tmpfs -o size=600k none out || exit 99',
        quoted,
        'echo "code $?"',
        `ls -A ${VERSION}/checkpoints ${VERSION}`,
        'echo "end of the list"',
        `newest=$(ls -d ${VERSION}/checkpoints/* | sort -V | tail -n 1)`,
        `${last} "--ckpt_path=$newest" --data.inference_datasets=null "--trainer.max_steps=9" 2>&1`,
        'echo "resumed $?"',
      ].join('\n');
      const { stdout, stderr } = spawnSync('unshare', ['--mount', '--map-root-user', 'sh', '-c', script], {
        cwd: folder,
        encoding: 'utf8',
        timeout: HANGS_MS,
      });
      assert.match(stdout, /^code 2$/m, stderr);
      assert.match(stderr, /^error: out\/.*: cannot write: no space left on the device\nhint: .+\n$/m);
      assert.match(stdout, /^epoch=0-step=1$/m);
      const [listed = ''] = stdout.split('end of the list');
      assert.not.match(listed, /^\.|tmp/m, 'nothing half-written is left');
      assert.match(stdout, /^continuing from step \d+ of /m);
      assert.match(stdout, /^resumed 0$/m, stdout);
    }));
}

test.run();
