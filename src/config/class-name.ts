import { docsPage, RankDistillmError } from '../errors.js';
import { placeText, type Place } from './node.js';
import { nearestHint, nearestOf } from './nearest.js';
import { isOwnClass, type Slot } from './schema/fields.js';
import { whyNotBuilt } from './schema/not-built.js';

/** Modules whose classes we know; a class of another module is somebody's own Python. */
export const MODULES = ['lightning_ir', 'torch', 'lightning', 'pytorch_lightning'];

/**
 * The canonical name of a class written with or without its module: `lightning_ir.RankNet` is `RankNet`. A class of the
 * user's own keeps its name: `./my-loss.ts:MyLoss`.
 */
export function className(written: string, slot: Slot, place: Place, path: string): string {
  if (/[/:]|\.[cm]?[jt]s$/.test(written)) return ownClassName(written, slot, place, path);
  const parts = written.split('.');
  const last = parts.at(-1) ?? '';
  const name = slot.aliases[last] ?? last;
  const where = `${placeText(place)}: ${path}`;
  const foreign = parts.length > 1 && !MODULES.includes(parts[0] ?? '');
  if (!foreign && slot.classes.has(name)) return name;
  const known = [...slot.classes.keys(), ...Object.keys(slot.aliases)];
  if (foreign) {
    throw new RankDistillmError('unsupported', `${where}: cannot load the Python class "${written}"`, {
      hint:
        insteadOf(written, slot) ??
        `Only classes of lightning-ir, Lightning and torch can be named here; ${docsPage('cli')} lists them.`,
    });
  }
  const reason = whyNotBuilt(name);
  if (reason) {
    throw new RankDistillmError('unsupported', `${where}: ${name} is not supported: ${reason}`, {
      hint: known.length > 12 ? nearestHint(name, known, 'class') : `Classes known here: ${known.join(', ')}.`,
    });
  }
  throw new RankDistillmError('bad_input', `${where}: unknown class "${written}"`, {
    hint: (nearestOf(last, known) === undefined && insteadOf(written, slot)) || nearestHint(last, known, 'class'),
  });
}

/** For the name of a run or a model where that of its class belongs. */
function insteadOf(name: string, { classes }: Slot): string | undefined {
  if (classes.has('RunDataset'))
    return `A run file is written {run_path_or_id: ${name}}; ${docsPage('cli')} describes it.`;
  if (!classes.has('CrossEncoderModule')) return undefined;
  return `A model is written {model_name_or_path: ${name}}, or --model.model_name_or_path ${name} on the command line.`;
}

function ownClassName(written: string, slot: Slot, place: Place, path: string): string {
  const where = `${placeText(place)}: ${path}`;
  if (!slot.takesOwn) {
    throw new RankDistillmError('unsupported', `${where}: custom classes are not allowed here ("${written}")`, {
      hint:
        insteadOf(written, slot) ??
        `Classes known here: ${[...slot.classes.keys()].join(', ')}. Only losses can be custom.`,
    });
  }
  if (isOwnClass(written)) return written;
  throw new RankDistillmError('bad_input', `${where}: "${written}" names no class of a module`, {
    hint: 'Write the path of a .ts or .js file, a colon and the name it exports: ./my-loss.ts:MyLoss.',
  });
}
