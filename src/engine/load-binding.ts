import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Binding } from '../../binding.js';
import { RankDistillmError } from '../errors.js';
import { readRequirements, whatIsLacking } from './binary-requirements.js';
import { thisMachine } from './cpu.js';

const require = createRequire(import.meta.url);
/** The same from src/engine and from dist/engine. */
const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

/** A checkout builds; an installed package has its sources too, so the same command helps there. */
const REBUILD = 'Build it for this machine: `npm run setup` in the folder of the package';

/** Where the binary is: the file that RANK_DISTILLM_BINDING names, else a build, else the prebuilt one. */
function findBinary(root: string): string {
  const named = process.env['RANK_DISTILLM_BINDING'];
  if (named) {
    const path = resolve(named);
    if (existsSync(path)) return path;
    throw new RankDistillmError('native', `${path}: RANK_DISTILLM_BINDING names a file that does not exist`, {
      hint: 'Correct RANK_DISTILLM_BINDING, or unset it to use the binary of the package.',
    });
  }
  const nodeGypBuild = require('node-gyp-build') as { path(folder: string): string };
  try {
    return nodeGypBuild.path(root);
  } catch (cause) {
    const tried = [join(root, 'build/Release'), join(root, `prebuilds/${process.platform}-${process.arch}`)];
    throw new RankDistillmError('native', `the native engine is missing: no .node file in ${tried.join(' or ')}`, {
      hint: `${REBUILD} (${root}).`,
      cause,
    });
  }
}

function checkMachine(binary: string): void {
  let lacking: string[];
  try {
    const needs = readRequirements(binary);
    lacking = needs === undefined ? [] : whatIsLacking(needs, thisMachine());
  } catch (cause) {
    throw new RankDistillmError('native', `${binary}: its requirements.json cannot be read`, {
      hint: `${REBUILD} (${packageRoot}).`,
      cause,
    });
  }
  if (lacking.length === 0) return;
  throw new RankDistillmError('native', `${binary}: cannot run on this machine: ${lacking.join('; ')}`, {
    hint: `${REBUILD} (${packageRoot}), or use a machine that has what is missing.`,
  });
}

/** What the dynamic linker's message means, in one sentence that says the mend. */
function mendOf(message: string): string {
  if (/GLIBC(XX)?_|CXXABI_/.test(message)) return `${REBUILD} (${packageRoot}); it was built on a newer system.`;
  if (/static TLS/.test(message)) {
    return 'Load rank-distillm before other native modules, or start Node with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384.';
  }
  if (/cannot open shared object file/.test(message)) {
    return `A library of LibTorch that belongs beside the file is gone. ${REBUILD} (${packageRoot}).`;
  }
  return `The file is damaged or not an addon for Node. ${REBUILD} (${packageRoot}), or install the package again.`;
}

/**
 * Loads the addon that belongs to the package at `root`. CPU flags and C library are compared first: a binary that
 * asks for more than the machine has would end the process instead of throwing.
 */
export function loadBindingFrom(root: string): Binding {
  const binary = findBinary(root);
  checkMachine(binary);
  try {
    return require(binary) as Binding;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new RankDistillmError('native', `${binary}: cannot be loaded: ${message}`, { hint: mendOf(message), cause });
  }
}

let loaded: Binding | undefined;

/** The native engine, loaded at the first call. */
export function loadBinding(): Binding {
  loaded ??= loadBindingFrom(packageRoot);
  return loaded;
}
