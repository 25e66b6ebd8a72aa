import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { doctor } from '../../src/doctor/doctor.js';
import type { DoctorCheck, DoctorReport } from '../../src/doctor/report.js';
import { CrossEncoder } from '../../src/engine/cross-encoder.js';
import { temporaryFolder } from '../support/files.js';
import { PROGRAM, start, type Ended } from '../support/programs.js';

const test = suite('doctor');
const root = fileURLToPath(new URL('../../', import.meta.url));
const MODEL = join(root, 'test/golden/references/mono-electra');

// no variable of the caller's, or of the test runner, changes what is found
const OURS = [
  'RANK_DISTILLM_ARITHMETIC',
  'RANK_DISTILLM_CPU_FEATURES',
  'RANK_DISTILLM_EMULATE_CUDA',
  'RANK_DISTILLM_OFFLINE',
];
for (const name of OURS) delete process.env[name];
// the arithmetic is measured there
process.env['XDG_CACHE_HOME'] = temporaryFolder();

const run = (env: Record<string, string>, ...options: string[]): Promise<Ended> =>
  start(['doctor', ...options], temporaryFolder(), { env });

async function reportIn(env: Record<string, string>): Promise<{ code: number | null; report: DoctorReport }> {
  const { code, stdout, stderr } = await run(env, '--json');
  assert.ok(stdout.startsWith('{'), stderr);
  return { code, report: JSON.parse(stdout) as DoctorReport };
}

function find({ checks }: DoctorReport, name: string): DoctorCheck {
  const found = checks.find((check) => check.name === name);
  assert.ok(found, `no check ${name}`);
  return found;
}

const text = ({ lines, fix }: DoctorCheck): string => [...lines, fix].join('\n');

test('a working installation passes, and its scores are those of the reference', async () => {
  const report = await doctor();
  assert.equal(
    report.checks.filter(({ status }) => status === 'failed'),
    [],
  );
  assert.ok(report.ok);
  const { engine } = report;
  assert.ok(engine);
  assert.equal(
    engine.precisions.map(({ asked, isRight }) => [asked, isRight]),
    [
      ['32-true', true],
      ['bf16-mixed', true],
      ['int8', true],
    ],
  );
  const [float32, bfloat16] = engine.precisions;
  assert.is(float32!.runs, 'float32');
  // rounded products differ: the comparison sees what was computed
  const { runs, largestError, why } = bfloat16!;
  assert.ok(runs === 'float32' || largestError > float32!.largestError, `${largestError} > ${float32!.largestError}`);
  assert.match(why, /^measured on \d{4}-\d\d-\d\d, shares of the fastest: float32 \d\.\d\d, int16\/\w+\/\w+ /);
  for (const { gflops } of engine.precisions) assert.ok(gflops! > 0.1, `${gflops}`);
  assert.match(engine.file, /\.node$/);
});

test('a model is loaded and measured', async () => {
  const { model, checks } = await doctor({ model: MODEL });
  assert.ok(model, JSON.stringify(checks.at(-1)));
  const { modelClass, layers, hiddenSize, exampleScore, exampleTokens, pairsPerSecond, precision } = model;
  assert.equal([modelClass, layers, hiddenSize, precision], ['MonoElectraModel', 2, 32, 'float32']);
  assert.ok(pairsPerSecond > 0);
  assert.ok(exampleTokens > 40 && exampleTokens <= 51, `${exampleTokens} tokens`); // lengths 8 and 40, and three more
  assert.ok(Number.isFinite(exampleScore));
  await using encoder = await CrossEncoder.load(MODEL);
  assert.is(model.modelClass, encoder.modelClass);
});

test('a model that is not there fails with its own hint', async () => {
  const report = await doctor({ model: '/nowhere/model' });
  assert.not.ok(report.ok);
  assert.match(text(find(report, 'model')), /nowhere[^]*\n.+/);
});

test('options are checked', async () => {
  await doctor({ models: 'x' } as object).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /models/),
  );
});

test('a file that is no binary: the check says which, why it was taken and what to do, and verbs name doctor', async () => {
  const file = join(temporaryFolder(), 'engine.node');
  writeFileSync(file, 'this is no ELF file');
  const env = { RANK_DISTILLM_BINDING: file };
  const { code, stdout, stderr } = await run(env);
  assert.is(code, 1);
  assert.match(
    stdout,
    /FAILED +engine +\S+engine\.node: RANK_DISTILLM_BINDING names it\n.*could not be loaded: .*\n +fix: .*npm run setup/,
  );
  assert.not.match(stdout, /self-test|npx rank-distillm doctor/);
  assert.match(stderr, /error: 1 of \d+ checks failed: engine/);
  const scored = await start(['score', '--model', MODEL, '--input', '-'], temporaryFolder(), { env, stdin: '' });
  assert.is(scored.code, 1);
  assert.match(scored.stderr, /hint: .*`npx rank-distillm doctor`/);
});

test('an addon of another package is not taken for the engine', async () => {
  const file = join(root, 'node_modules/tokenizers/tokenizers.linux-x64-gnu.node');
  const { code, report } = await reportIn({ RANK_DISTILLM_BINDING: file });
  assert.is(code, 1);
  assert.match(text(find(report, 'engine')), /not the engine of this package/);
});

test('a binary that ends its process ends only that of a child', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'trap.node');
  writeFileSync(join(folder, 'trap.c'), '__attribute__((constructor)) static void trap(void) { __builtin_trap(); }\n');
  const compiled = spawnSync('cc', ['-shared', '-fPIC', '-o', file, join(folder, 'trap.c')], { encoding: 'utf8' });
  assert.is(compiled.status, 0, compiled.stderr);
  const { code, report } = await reportIn({ RANK_DISTILLM_BINDING: file });
  assert.is(code, 1);
  assert.match(
    text(find(report, 'engine')),
    /uses an instruction that this CPU does not have\nSet RANK_DISTILLM_CPU_FEATURES/,
  );
});

test('a level that is forced down is a warning, and bfloat16 falls back', async () => {
  const { code, report } = await reportIn({ RANK_DISTILLM_CPU_FEATURES: 'none' });
  assert.is(code, 0);
  const engine = find(report, 'engine');
  assert.is(engine.status, 'warning');
  assert.match(text(engine), /kernels generic[^]*RANK_DISTILLM_CPU_FEATURES=none changes[^]*Unset/);
  assert.equal(
    report.engine!.precisions.map(({ runs }) => runs),
    ['float32', 'int16', 'int16'],
  );
});

test('a cache that cannot be written fails, unless downloads are off', async () => {
  const env = { HF_HUB_CACHE: '/proc/hub' };
  const { code, report } = await reportIn(env);
  assert.is(code, 1);
  assert.match(text(find(report, 'model cache')), /\/proc\/hub: 0 models[^]*cannot be written: .+\nSet HF_HUB_CACHE/);
  const offline = await run({ ...env, RANK_DISTILLM_OFFLINE: '1' });
  assert.is(offline.code, 0, offline.stdout);
  assert.match(offline.stdout, /RANK_DISTILLM_OFFLINE is set/);
});

/** The report of a process that another program starts. */
async function reportBy(program: string, ...argv: string[]): Promise<DoctorReport> {
  const command = [...argv, ...PROGRAM, 'doctor', '--json'];
  const { stdout } = await promisify(execFile)(program, command, { cwd: temporaryFolder() });
  return JSON.parse(stdout) as DoctorReport;
}

test('a process that may use one CPU uses one thread', async () => {
  const [, first] = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  const { machine, engine } = await reportBy('taskset', '-c', first!);
  assert.equal([machine.allowedCpus, engine!.threads], [1, 1]);
});

const quota = "mount -t tmpfs none /sys/fs/cgroup && echo '50000 100000' > /sys/fs/cgroup/cpu.max";
if (spawnSync('unshare', ['-m', 'sh', '-c', quota]).status === 0) {
  test('a quota of the cgroup is told, and the engine keeps to it', async () => {
    const { machine, engine } = await reportBy('unshare', '-m', 'sh', '-c', `${quota} && exec "$@"`, 'sh');
    assert.equal([machine.cgroupCpus, engine!.threads], [0.5, 1]);
  });
} else console.log('skipped: this machine lets no process have mounts of its own, so no cgroup can be shown to it');

test.run();
