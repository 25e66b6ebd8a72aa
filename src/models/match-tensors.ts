import type { NamedTensor } from '../../binding.js';
import { RankDistillmError } from '../errors.js';
import { floatDtype, formatShape, type RawTensor, type RawTensors } from './raw-tensor.js';
import { isIgnored } from './tensor-names.js';

/** More names than this in one warning help nobody. */
const NAMES_IN_WARNING = 20;

interface MatchInput {
  raw: RawTensors;
  /** Canonical name of a tensor in the file. */
  nameOf: (name: string) => string;
  expected: ReadonlyMap<string, number[]>;
  mayBeFresh: ReadonlySet<string>;
  folder: string;
  warnings: string[];
}

/**
 * Finds each expected tensor in the file and checks its shape. Those of `mayBeFresh` that the file lacks are handed
 * back as `missing`; anything else missing or of another shape is an error by name, and what is left over a warning.
 */
export function matchTensors(input: MatchInput): { tensors: NamedTensor[]; missing: Map<string, number[]> } {
  const { expected, folder, mayBeFresh } = input;
  const found = byCanonicalName(input);
  const tensors: NamedTensor[] = [];
  const missing = new Map<string, number[]>();
  for (const [name, shape] of expected) {
    const entry = found.get(name);
    if (entry) tensors.push(check(name, shape, entry.fileName, entry.tensor));
    else if (mayBeFresh.has(name)) missing.set(name, shape);
    else throw missingTensor(folder, name, shape);
  }
  return { tensors, missing };
}

function byCanonicalName(input: MatchInput): Map<string, { fileName: string; tensor: RawTensor }> {
  const found = new Map<string, { fileName: string; tensor: RawTensor }>();
  const unused: string[] = [];
  for (const [fileName, tensor] of input.raw) {
    const name = input.nameOf(fileName);
    if (!input.expected.has(name)) {
      if (!isIgnored(name)) unused.push(fileName);
      continue;
    }
    const twin = found.get(name);
    if (twin) {
      throw new RankDistillmError(
        'bad_input',
        `${tensor.data.file}: ${twin.fileName} and ${fileName} are the same tensor`,
        {
          hint: 'Save the model again, so that each tensor has one name.',
        },
      );
    }
    found.set(name, { fileName, tensor });
  }
  if (unused.length > 0) {
    const more = unused.length > NAMES_IN_WARNING ? ` and ${unused.length - NAMES_IN_WARNING} more` : '';
    input.warnings.push(
      `${input.folder}: tensors that the model does not use: ${unused.slice(0, NAMES_IN_WARNING).join(', ')}${more}.`,
    );
  }
  return found;
}

function check(name: string, shape: number[], fileName: string, tensor: RawTensor): NamedTensor {
  const place = `${tensor.data.file}: tensor ${fileName}`;
  const hint = 'Check that config.json belongs to these weights.';
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
    const sizes = `expected shape ${formatShape(shape)}, found ${formatShape(tensor.shape)}`;
    throw new RankDistillmError('bad_input', `${place}: ${sizes}`, { hint });
  }
  const dtype = floatDtype(tensor.dtype);
  if (!dtype) {
    throw new RankDistillmError('bad_input', `${place}: holds ${tensor.dtype} values, not floating point ones`, {
      hint: 'Quantized models are not built; use the weights in float32, float16 or bfloat16.',
    });
  }
  return { name, dtype, shape, data: tensor.data };
}

function missingTensor(folder: string, name: string, shape: number[]): RankDistillmError {
  return new RankDistillmError(
    'bad_input',
    `${folder}: tensor ${name} is missing: expected shape ${formatShape(shape)}, found none`,
    { hint: 'Check that config.json belongs to these weights and that no shard is missing.' },
  );
}
