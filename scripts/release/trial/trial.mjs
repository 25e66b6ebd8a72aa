// Installs the tarballs beside it in an empty folder and uses them there, as somebody who has nothing but Node.js and npm. It
// runs on every system that a release is for, so it needs nothing but Node.js itself. ../try-install.mjs makes the folder:
//   *.tgz      rank-distillm and the engine's package
//   cache      npm's cache, which has the packages that rank-distillm depends on
//   npm        npm itself
//   model      a model, with the scores of lightning-ir in expected.json
// usage: node trial.mjs   (writes figures.json)
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const project = join(here, 'project');
const bin = join(here, 'bin');

rmSync(project, { recursive: true, force: true });
rmSync(bin, { recursive: true, force: true });
mkdirSync(project);
mkdirSync(bin);
symlinkSync(process.execPath, join(bin, 'node'));
symlinkSync('/bin/sh', join(bin, 'sh')); // npx starts programs with it
for (const name of ['npm', 'npx']) symlinkSync(join(here, `npm/bin/${name}-cli.js`), join(bin, name));

const env = {
  PATH: bin,
  HOME: join(here, 'home'),
  npm_config_cache: join(here, 'cache'),
  npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
  RANK_DISTILLM_OFFLINE: '1',
  ...(process.env['QEMU_LD_PREFIX'] && { QEMU_LD_PREFIX: process.env['QEMU_LD_PREFIX'] }), // where qemu finds arm64's libraries
};

/**
 * Runs a program in the project. Returns what it printed and the seconds it took; a failure ends this process.
 *
 * @param {string} what
 * @param {string} command
 * @param {string[]} args
 */
function run(what, command, args) {
  const start = performance.now();
  const { status, signal, stdout, stderr, error } = spawnSync(join(bin, command), args, {
    cwd: project,
    env,
    encoding: 'utf8',
  });
  const seconds = (performance.now() - start) / 1000;
  process.stderr.write(`trial: ${what}: ${seconds.toFixed(1)} s\n`);
  if (status === 0) return { stdout, seconds };
  process.stderr.write(
    `${stdout}${stderr}trial: ${what} failed: ${error?.message ?? signal ?? `exit code ${status}`}\n`,
  );
  process.exit(1);
}

/** Bytes of all files in a folder. @param {string} folder */
function bytesOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** The same program for `import` and `require`: prints its worst difference from the reference. @param {(name: string) => string} load */
const program = (load) => `
const { readFileSync } = ${load('node:fs')};
const { CrossEncoder } = ${load('rank-distillm')};
async function main() {
  const { pairs } = JSON.parse(readFileSync('model/expected.json', 'utf8'));
  const model = await CrossEncoder.load('model');
  const scores = await model.score(pairs);
  const off = Math.max(...scores.map((score, i) => Math.abs(score - pairs[i].score)));
  if (!(off <= 1e-4)) throw new Error('scores are ' + off + ' off those of lightning-ir');
  const ranked = await model.rank(pairs[0].query, pairs.map(({ document }) => document));
  const places = ranked.map(({ score }) => score);
  if (ranked.length !== pairs.length || places.some((score, i) => score > places[i - 1])) throw new Error('not sorted');
  const first = ranked.find(({ index }) => index === 0);
  if (!(Math.abs(first.score - pairs[0].score) <= 1e-4)) throw new Error('the ranking has another score');
  await model.close();
  console.log(off);
}
main();
`;

const config = `seed_everything: 1
datasets:
  mine: { docs: docs.tsv, queries: queries.tsv }
trainer:
  max_steps: 20
  default_root_dir: trained
data:
  train_batch_size: 2
  train_dataset: { run_path_or_id: teacher.run, dataset: mine, depth: 4, sample_size: 4, sampling_strategy: top, targets: rank }
model:
  model_name_or_path: ./model
  loss_functions: [RankNet]
optimizer: { class_path: AdamW, init_args: { lr: 1.0e-03 } }
`;

function writeTrainingData() {
  /** @type {{ pairs: { query: string, document: string }[] }} */
  const { pairs } = JSON.parse(readFileSync(join(here, 'model/expected.json'), 'utf8'));
  const lines = (/** @type {(pair: { query: string, document: string }, i: number) => string} */ text) =>
    pairs.map((pair, i) => text(pair, i)).join('');
  writeFileSync(
    join(project, 'docs.tsv'),
    lines(({ document }, i) => `d${i}\t${document.replace(/\s+/g, ' ')}\n`),
  );
  writeFileSync(
    join(project, 'queries.tsv'),
    lines(({ query }, i) => `q${i}\t${query.replace(/\s+/g, ' ')}\n`),
  );
  const ranking = (/** @type {number} */ i) =>
    [0, 1, 2, 3].map((rank) => `q${i} Q0 d${(i + rank) % pairs.length} ${rank + 1} ${4 - rank} llm\n`).join('');
  writeFileSync(
    join(project, 'teacher.run'),
    lines((_, i) => ranking(i)),
  );
  writeFileSync(join(project, 'fit.yaml'), config);
}

const archives = readdirSync(here).filter((name) => name.endsWith('.tgz'));
writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
cpSync(join(here, 'model'), join(project, 'model'), { recursive: true });
writeFileSync(
  join(project, 'esm.mjs'),
  program((name) => `await import('${name}')`),
);
writeFileSync(
  join(project, 'common.cjs'),
  program((name) => `require('${name}')`),
);
writeTrainingData();

const install = run('npm install', 'npm', [
  ...['install', '--no-audit', '--no-fund', '--loglevel=error'],
  ...archives.map((name) => join(here, name)),
]);
const esm = run('import, load and score', 'node', ['esm.mjs']);
const common = run('the same with require', 'node', ['common.cjs']);
const doctor = run('npx rank-distillm doctor', 'npx', ['rank-distillm', 'doctor']);
const fit = run('npx rank-distillm fit, 20 steps', 'npx', ['rank-distillm', 'fit', '--config', 'fit.yaml']);
const [version = ''] = readdirSync(join(project, 'trained/lightning_logs'));
statSync(join(project, 'trained/lightning_logs', version, 'huggingface_checkpoint/model.safetensors'));

const modules = join(project, 'node_modules');
const [platform = ''] = readdirSync(join(modules, '@rank-distillm'));
const figures = {
  node: process.versions.node,
  installSeconds: install.seconds,
  firstScoreSeconds: install.seconds + esm.seconds,
  worstDifference: Number(esm.stdout),
  requireSeconds: common.seconds,
  doctorSeconds: doctor.seconds,
  fitSeconds: fit.seconds,
  doctor: doctor.stdout,
  bytes: {
    'rank-distillm': bytesOf(join(modules, 'rank-distillm')),
    engine: bytesOf(join(modules, '@rank-distillm', platform)),
    'all of node_modules': bytesOf(modules),
    tarballs: Object.fromEntries(archives.map((name) => [name, statSync(join(here, name)).size])),
  },
};
writeFileSync(join(here, 'figures.json'), JSON.stringify(figures, null, 2));
