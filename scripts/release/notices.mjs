import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundledPackages } from '../lib/page.mjs';
import { root } from '../lib/root.mjs';
import { SetupError } from '../lib/say.mjs';

/** @typedef {{ name: string, version: string, licence: string, what: string, text: string }} Notice */

/** The licence file of a folder. @param {string} folder */
function licenceText(folder) {
  const name = readdirSync(folder).find((file) => /^(licen[sc]e|copying)(\.\w+)?$/i.test(file));
  if (name === undefined) throw new SetupError(`${folder}: it has no licence file, so it cannot be shipped`);
  return readFileSync(join(folder, name), 'utf8').trim();
}

/** @param {string} folder of an npm package @param {string} what of it is shipped @returns {Notice} */
function noticeOf(folder, what) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return { name, version, licence: license, what, text: licenceText(folder) };
}

/** @param {string} name */
const npmPackage = (name) => join(root, 'node_modules', name);

/** What the package rank-distillm holds of others. @returns {Promise<Notice[]>} */
export async function noticesOfMain() {
  const page = await bundledPackages();
  return [
    ...page.map((folder) => noticeOf(join(root, folder), 'bundled into the pages in dist')),
    noticeOf(npmPackage('node-addon-api'), 'headers, in third_party'),
    noticeOf(npmPackage('node-api-headers'), 'headers, in third_party'),
  ];
}

/**
 * What a package with an engine holds of others.
 *
 * @param {string | undefined} zig the compiler's program; undefined for an engine that this machine's compiler made
 * @param {string} version of it
 * @returns {Notice[]}
 */
export function noticesOfPlatform(zig, version) {
  const libraries = zig === undefined ? undefined : join(dirname(zig), 'lib');
  const ofLlvm = (/** @type {string} */ name) => ({
    name,
    version: `of zig ${version}`,
    licence: 'Apache-2.0 WITH LLVM-exception',
    what: 'linked into rank_distillm.node',
    text: licenceText(join(libraries ?? '', name)),
  });
  return [
    noticeOf(npmPackage('node-addon-api'), 'headers, compiled into rank_distillm.node'),
    noticeOf(npmPackage('tokenizers'), 'tokenizers.node, its file for this platform, unchanged'),
    ...(libraries === undefined ? [gccRuntime] : ['libcxx', 'libcxxabi', 'libunwind'].map(ofLlvm)),
  ];
}

/**
 * What the package for GPUs holds of others.
 *
 * @param {string} licence file of LibTorch's licence @param {string} version
 * @returns {Notice[]}
 */
export function noticesOfGpu(licence, version) {
  const what = 'inline functions of its headers, compiled into rank_distillm_torch.node';
  return [
    noticeOf(npmPackage('node-addon-api'), 'headers, compiled into rank_distillm_torch.node'),
    { name: 'torch', version, licence: 'BSD-3-Clause', what, text: readFileSync(licence, 'utf8').trim() },
  ];
}

/** @type {Notice} */
const gccRuntime = {
  name: 'libstdc++ and libgcc',
  version: 'of the compiler',
  licence: 'GPL-3.0-or-later WITH GCC-exception-3.1',
  what: 'linked into rank_distillm.node',
  text: 'https://www.gnu.org/licenses/gcc-exception-3.1.html allows to link them into a program of any licence.',
};

/** The file THIRD_PARTY_NOTICES: each licence text once. @param {Notice[]} notices */
export function noticesText(notices) {
  const heading = (/** @type {Notice} */ { name, version, licence, what }) =>
    `${name} ${version} (${licence}): ${what}`;
  const texts = [...new Set(notices.map(({ text }) => text))];
  const parts = texts.map((text) => {
    const of = notices.filter((notice) => notice.text === text);
    return `${of.map(heading).join('\n')}\n\n${text}`;
  });
  const line = `\n\n${'-'.repeat(80)}\n\n`;
  return `This package contains software of others:${line}${parts.join(line)}\n`;
}
