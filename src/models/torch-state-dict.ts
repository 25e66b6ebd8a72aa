import { PickleError, PickleGlobal, PickleObject, type PickleHandlers, type PickleValue } from './pickle.js';
import { BYTES_PER_ELEMENT, countElements, formatShape, type RawTensors, type StoredDtype } from './raw-tensor.js';

type StorageDtype = Exclude<StoredDtype, 'other'>;

/** A range of elements in the file, shared by tied tensors. */
export class Storage extends PickleObject {
  constructor(
    readonly key: string,
    readonly dtype: StorageDtype,
    readonly elements: number,
    /** First element, for a view into the storage `key`. */
    readonly start: number,
  ) {
    super();
  }
}

class PickledTensor extends PickleObject {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
  ) {
    super();
  }
}

const STORAGE_TYPES: Readonly<Record<string, StorageDtype>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

/** First field of a persistent id, as in torch/serialization.py. */
const STORAGE_TAG = 'storage';

/** Tensors of published models have up to 4. */
const MOST_AXES = 8;
/** Pairs given to all calls of OrderedDict: many calls may share one long list. */
const MOST_PAIRS = 100_000;

/** Globals allowed in a state dict: OrderedDict, the two tensor builders and the storage types. */
export class StateDictHandlers implements PickleHandlers {
  /** Whole storages (not views) by key. */
  readonly storages = new Map<string, Storage>();
  #pairs = 0;

  findGlobal(module: string, name: string): PickleGlobal | undefined {
    const full = `${module}.${name}`;
    if (module === 'torch' && Object.hasOwn(STORAGE_TYPES, name)) {
      return new PickleGlobal(name, () => {
        throw new PickleError(`the pickle calls ${full}, which only names a type`);
      });
    }
    if (full === 'collections.OrderedDict') return new PickleGlobal(full, (args) => this.#buildDict(args));
    if (full === 'torch._utils._rebuild_tensor_v2') return new PickleGlobal(full, rebuildTensor);
    if (full === 'torch._utils._rebuild_parameter') return new PickleGlobal(full, rebuildParameter);
    return undefined;
  }

  /** `('storage', type, key, location, elements)`, with a sixth field (a view or None) in legacy files. */
  persistentLoad(id: PickleValue): PickleValue {
    if (!Array.isArray(id) || id.length < 5 || id.length > 6 || id[0] !== STORAGE_TAG) {
      throw new PickleError('the pickle refers to something that is not a tensor storage');
    }
    const [, type, key, , elements, view] = id as (PickleValue | undefined)[];
    const dtype = type instanceof PickleGlobal ? STORAGE_TYPES[type.name] : undefined;
    if (dtype === undefined || typeof key !== 'string' || !isCount(elements)) {
      throw new PickleError('a tensor storage in the pickle has no type, key or size');
    }
    const known = this.storages.get(key);
    if (known && (known.dtype !== dtype || known.elements !== elements)) {
      throw new PickleError(`storage ${JSON.stringify(key.slice(0, 100))} is described in two different ways`);
    }
    const storage = known ?? new Storage(key, dtype, elements, 0);
    this.storages.set(key, storage);
    if (view === undefined || view === null) return storage;
    const [, offset, length] = Array.isArray(view) ? (view as (PickleValue | undefined)[]) : [];
    if (!Array.isArray(view) || view.length !== 3 || !isCount(offset) || !isCount(length)) {
      throw new PickleError('a storage view in the pickle is malformed');
    }
    if (offset + length > elements) throw new PickleError('a storage view in the pickle leaves its storage');
    return new Storage(key, dtype, length, offset);
  }

  #buildDict(args: PickleValue[]): PickleValue {
    const dict = new Map<string | number, PickleValue>();
    const pairs = args[0] ?? [];
    if (!Array.isArray(pairs)) throw new PickleError('an OrderedDict in the pickle is built from something odd');
    this.#pairs += pairs.length;
    if (this.#pairs > MOST_PAIRS) throw new PickleError(`the pickle builds dicts from more than ${MOST_PAIRS} pairs`);
    for (const pair of pairs) {
      if (!Array.isArray(pair) || typeof pair[0] !== 'string' || pair[1] === undefined) {
        throw new PickleError('an OrderedDict in the pickle is built from something odd');
      }
      dict.set(pair[0], pair[1] as PickleValue);
    }
    return dict;
  }
}

/** Converts the unpickled state dict to named regions; `locate` returns the byte position of a storage. */
export function stateDictTensors(root: PickleValue, file: string, locate: (storage: Storage) => number): RawTensors {
  if (!(root instanceof Map)) throw new PickleError('the file holds no state dict (a dict of tensors)');
  const tensors: RawTensors = new Map();
  for (const [name, value] of root) {
    const shown = JSON.stringify(String(name).slice(0, 200));
    if (!(value instanceof PickledTensor) || typeof name !== 'string') {
      throw new PickleError(
        `entry ${shown} is not a tensor`,
        'Save the model itself (`model.save_pretrained`), not a training checkpoint.',
      );
    }
    const { storage, offset, shape } = value;
    const width = BYTES_PER_ELEMENT[storage.dtype];
    tensors.set(name, {
      dtype: storage.dtype,
      shape,
      data: {
        file,
        offset: locate(storage) + (storage.start + offset) * width,
        bytes: (countElements(shape) as number) * width,
      },
    });
  }
  return tensors;
}

/** `(storage, offset, size, stride, requires_grad, backward_hooks[, metadata])`. */
function rebuildTensor(args: PickleValue[]): PickleValue {
  const [storage, offset, shape, stride] = args;
  if (!(storage instanceof Storage) || !isCount(offset) || !Array.isArray(shape) || !Array.isArray(stride)) {
    throw new PickleError('a tensor in the pickle has no storage, offset, shape or strides');
  }
  const elements = shape.length > MOST_AXES ? undefined : countElements(shape);
  if (elements === undefined || shape.length !== stride.length) {
    throw new PickleError('a tensor in the pickle has a shape that is no shape');
  }
  const sizes = shape as number[];
  if (offset + elements > storage.elements) {
    throw new PickleError(
      `a tensor of shape ${formatShape(sizes)} at element ${offset} leaves its storage of ${storage.elements} elements`,
    );
  }
  if (!isContiguous(sizes, stride, elements)) {
    throw new PickleError(
      `a tensor of shape ${formatShape(sizes)} is not stored row by row`,
      'Save it again from Python: model.save_pretrained(folder) writes contiguous tensors.',
    );
  }
  return new PickledTensor(storage, offset, sizes);
}

/** `(tensor, requires_grad, backward_hooks)`. */
function rebuildParameter(args: PickleValue[]): PickleValue {
  const [tensor] = args;
  if (tensor instanceof PickledTensor) return tensor;
  throw new PickleError('a parameter in the pickle holds no tensor');
}

/** Ignores strides of axes with one element, and all strides of an empty tensor. */
function isContiguous(shape: readonly number[], stride: readonly PickleValue[], elements: number): boolean {
  if (elements === 0) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    if (size !== 1 && stride[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
