import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { isOwnClass } from '../config/schema/fields.js';
import { RankDistillmError } from '../errors.js';
import { holdInputs } from '../io/inputs.js';
import { checkedLoss } from './checked-loss.js';
import { importModule } from './import-module.js';
import type { Loss } from './loss.js';

type LossClass = new (initArgs: Readonly<Record<string, unknown>>) => Partial<Loss>;

/**
 * Loads a custom loss by its name in the YAML: `./my-loss.ts:MyLoss` is the class `MyLoss` exported by the module. It
 * calls `new MyLoss(initArgs)`. The class needs the method `compute` of `Loss`; its `name` defaults to the class name.
 * Results are checked at every call.
 *
 * TypeScript needs no build step. See docs/losses.md on how to write a loss.
 *
 * @param classPath its path is relative to `cwd`; .ts, .mts, .cts, .js, .mjs or .cjs
 * @throws RankDistillmError `not_found` for a missing file, `bad_input` for an invalid one
 */
export async function loadUserLoss(
  classPath: string,
  initArgs: Readonly<Record<string, unknown>> = {},
  cwd: string = process.cwd(),
): Promise<Loss> {
  if (!isOwnClass(classPath)) {
    throw new RankDistillmError('bad_input', `"${classPath}" is not the class of a module`, {
      hint: 'Write the path of a .ts or .js file, a colon and the exported class: ./my-loss.ts:MyLoss.',
    });
  }
  const colon = classPath.lastIndexOf(':');
  const file = resolve(cwd, classPath.slice(0, colon));
  const exportName = classPath.slice(colon + 1);
  if (!existsSync(file)) {
    throw new RankDistillmError('not_found', `${classPath}: there is no file ${file}`, {
      hint: 'Paths of losses are relative to the current working directory.',
    });
  }
  holdInputs([file]); // for good: the module stays loaded
  const LossClass = await importClass(classPath, file, exportName);
  return { ...checkedLoss(classPath, construct(classPath, LossClass, initArgs), exportName), initArgs };
}

async function importClass(classPath: string, file: string, exportName: string): Promise<LossClass> {
  let exported: Record<string, unknown>;
  try {
    exported = await importModule(file);
  } catch (cause) {
    throw new RankDistillmError('bad_input', `${classPath}: the module cannot be loaded: ${describe(cause)}`, {
      hint: `Fix ${file}; its imports are resolved from its folder.`,
      cause,
    });
  }
  if (!Object.hasOwn(exported, exportName)) {
    const names = Object.keys(exported);
    throw new RankDistillmError('bad_input', `${classPath}: the module exports no "${exportName}"`, {
      hint:
        names.length === 0
          ? `It exports nothing: write "export class ${exportName}".`
          : `It exports: ${names.join(', ')}.`,
    });
  }
  const found = exported[exportName];
  // arrow functions and methods have no prototype and cannot be called with new
  if (typeof found !== 'function' || found.prototype === undefined) {
    const kind = typeof found === 'function' ? 'a function that new cannot call' : describeKind(found);
    throw new RankDistillmError('bad_input', `${classPath}: "${exportName}" is ${kind}, not a class`, {
      hint: `Export a class: export class ${exportName} { compute(scores, targets) { ... } }.`,
    });
  }
  return found as LossClass;
}

function construct(classPath: string, LossClass: LossClass, initArgs: Readonly<Record<string, unknown>>) {
  try {
    return new LossClass(initArgs);
  } catch (cause) {
    throw new RankDistillmError('bad_input', `${classPath}: its constructor failed: ${describe(cause)}`, {
      hint: `It received the init_args ${JSON.stringify(initArgs)}.`,
      cause,
    });
  }
}

/** The message and, for a SyntaxError, the file and line that V8 puts before the stack. */
function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const place = cause instanceof SyntaxError ? /^file:\/\/\S+:\d+$/m.exec(cause.stack ?? '')?.[0] : undefined;
  return [cause.message.replace(/\s+/g, ' '), place && `(${place})`].filter(Boolean).join(' ');
}

function describeKind(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
