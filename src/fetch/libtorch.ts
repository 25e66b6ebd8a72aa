import { existsSync, readFileSync } from 'node:fs';
import { rm, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { docsPage, RankDistillmError } from '../errors.js';
import { cachedFolder } from '../io/find-libtorch.js';
import { cacheFolder, makeFolder } from '../io/make-folder.js';
import { replaceFolder } from '../io/replace-folder.js';
import { download, waitForOthers } from './download.js';
import { downloadListener, refuseOffline } from './downloads.js';
import { unzipTo } from './unpack.js';

// LibTorch is PyTorch's C++ part. The Python package has it, as wheels on the package index: zip files. Those for CUDA
// need the wheels of CUDA's libraries, which the metadata of torch names.

export type LibtorchKind = 'cpu' | 'cuda';

interface Wheel {
  url: string;
  size: number;
  sha256: string;
}

type Table = { version: string } & Record<LibtorchKind, Wheel[]>;

const table = JSON.parse(readFileSync(new URL('libtorch.json', import.meta.url), 'utf8')) as Table;

/** The release that `installLibtorch` installs. */
export const LIBTORCH_VERSION = table.version;

/** Of a wheel, what loading LibTorch and compiling against it need, and the licences; LibTorch's part for Python is not. */
const KEPT =
  /^(torch\/(lib\/(?!libtorch_python)[^/]+\.so[.\d]*|include\/.+|share\/.+|version\.py)|nvidia\/.+\.so[.\d]*|[^/]+\.dist-info\/(licenses\/.+|LICEN[SC]E.*))$/;
/** What the unpacked files have of a wheel's size, at most. */
const UNPACKED_RATIO = 2;

/** Where LibTorch is once it was installed: a folder with `lib` and `include`. */
export function libtorchFolder(kind: LibtorchKind): string {
  return kind === 'cuda' ? cachedFolder(table.version) : join(cacheFolder(), `libtorch-${table.version}-cpu`);
}

/** What is made at once: with CUDA the folder above, as Python's site-packages, since LibTorch finds CUDA's libraries from there. */
function targetOf(kind: LibtorchKind): string {
  return kind === 'cuda' ? dirname(libtorchFolder(kind)) : libtorchFolder(kind);
}

/**
 * Downloads LibTorch into the cache, unless it is there.
 *
 * @returns its folder
 * @throws RankDistillmError `io`, `not_found` without network, `unsupported` where there is none for this machine
 */
export async function installLibtorch(kind: LibtorchKind, wheels: readonly Wheel[] = table[kind]): Promise<string> {
  const folder = libtorchFolder(kind);
  if (isLibtorch(folder)) return folder;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new RankDistillmError(
      'unsupported',
      `LibTorch is installed on Linux x64 only, this is ${process.platform} ${process.arch}`,
      {
        hint: `Install Python's torch, or let RANK_DISTILLM_LIBTORCH name a LibTorch (${docsPage('cuda')}).`,
      },
    );
  }
  refuseOffline(`LibTorch ${table.version}`, false);
  const target = targetOf(kind);
  const name = `LibTorch ${table.version}`;
  await makeFolder(dirname(target));
  const wheelFolder = `${target}.wheels`;
  try {
    const files = await downloadAll(wheelFolder, wheels, () => isLibtorch(folder));
    await waitForOthers(target, 'new', name);
    if (!isLibtorch(folder)) await unpackAll(files, kind);
  } catch (error) {
    // another process may have been faster, and removed the wheels
    if (!isLibtorch(folder)) throw error;
  }
  await rm(wheelFolder, { recursive: true, force: true });
  return folder;
}

async function unpackAll(files: readonly string[], kind: LibtorchKind): Promise<void> {
  const target = targetOf(kind);
  downloadListener().onNote?.(`unpacking LibTorch ${table.version} into ${target}`);
  const placeOf = (member: string): string | undefined => {
    if (!KEPT.test(member)) return undefined;
    return kind === 'cpu' ? member.replace(/^torch\//, '') : member;
  };
  await replaceFolder(target, async (temporary) => {
    for (const file of files) {
      await unzipTo(temporary, file, placeOf);
      await utimes(temporary, new Date(), new Date()); // still alive
    }
  });
}

function isLibtorch(folder: string): boolean {
  return existsSync(join(folder, 'lib/libtorch_cpu.so'));
}

/** Wheels stay until all are there, so that an interrupted installation goes on with the one it stopped at. */
async function downloadAll(folder: string, wheels: readonly Wheel[], isDone: () => boolean): Promise<string[]> {
  const endpoint = process.env['RANK_DISTILLM_WHEELS'];
  const files: string[] = [];
  for (const [i, { url, size, sha256 }] of wheels.entries()) {
    if (isDone()) return files; // by another process
    const file = join(folder, basename(decodeURIComponent(url)));
    const rest = wheels.slice(i).reduce((sum, wheel) => sum + wheel.size, 0);
    await download({
      name: `${basename(file)} (${i + 1} of ${wheels.length})`,
      urls: [endpoint ? `${endpoint.replace(/\/+$/, '')}${new URL(url).pathname}` : url],
      target: file,
      size,
      digest: { algorithm: 'sha256', hex: sha256 },
      // before the first wheel, not after the last
      unpackedSize: rest - size + UNPACKED_RATIO * wheels.reduce((sum, wheel) => sum + wheel.size, 0),
      movedBy: 'XDG_CACHE_HOME',
    });
    files.push(file);
  }
  return files;
}
