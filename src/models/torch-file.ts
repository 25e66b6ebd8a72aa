import { PickleError, PickleTruncated, readPickle, type PickleHandlers, type PickleValue } from './pickle.js';
import { BYTES_PER_ELEMENT, type RawTensors } from './raw-tensor.js';
import { StateDictHandlers, stateDictTensors } from './torch-state-dict.js';
import { weightFileError, withWeightFile, type WeightFile } from './weight-file.js';
import { readZipDirectory } from './zip-directory.js';

/** ELECTRA-large's state dict has a pickle of 60 kB. A pickle is parsed in one go, so this bounds the event loop's wait. */
const MAX_PICKLE_BYTES = 2 ** 20;

const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;

/** Locates the tensors in a `torch.save` file, in either format. Never runs code from the file. */
export async function readTorchFile(path: string): Promise<RawTensors> {
  return withWeightFile(path, async (file) => {
    const start = await file.read(0, Math.min(4, file.size));
    return start.toString('latin1') === 'PK\u0003\u0004' ? readZipTorch(file) : readLegacyTorch(file);
  });
}

/** Reads the format of `torch.save` since PyTorch 1.6: a zip archive with `data.pkl` and one entry per storage. */
async function readZipTorch(file: WeightFile): Promise<RawTensors> {
  const zip = await readZipDirectory(file);
  const pickleName = zip.names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  const pickle = pickleName === undefined ? undefined : await zip.locate(pickleName);
  if (pickleName === undefined || !pickle) {
    throw weightFileError(file.path, 'is a zip archive, but not a torch.save file (no data.pkl)');
  }
  if (pickle.bytes > MAX_PICKLE_BYTES) {
    throw weightFileError(file.path, `data.pkl has ${pickle.bytes} bytes, more than the ${MAX_PICKLE_BYTES} allowed`);
  }
  const prefix = pickleName.slice(0, -'data.pkl'.length);
  await checkByteOrder(file, await zip.locate(`${prefix}byteorder`));
  const handlers = new StateDictHandlers();
  try {
    const { value } = readPickle(await file.read(pickle.offset, pickle.bytes), 0, handlers);
    const starts = new Map<string, number>();
    for (const storage of handlers.storages.values()) {
      const entry = await zip.locate(`${prefix}data/${storage.key}`);
      const bytes = storage.elements * BYTES_PER_ELEMENT[storage.dtype];
      if (entry?.bytes !== bytes) {
        throw new PickleError(
          `storage ${storage.key.slice(0, 100)} has ${entry?.bytes ?? 'no'} bytes instead of ${bytes}`,
        );
      }
      starts.set(storage.key, entry.offset);
    }
    return stateDictTensors(value, file.path, (storage) => starts.get(storage.key) as number);
  } catch (error) {
    throw error instanceof PickleError ? weightFileError(file.path, error.message, error.hint) : error;
  }
}

async function checkByteOrder(file: WeightFile, entry: { offset: number; bytes: number } | undefined): Promise<void> {
  if (!entry) return;
  const order = await file.read(entry.offset, Math.min(entry.bytes, 16));
  if (order.toString('latin1') !== 'little') {
    throw weightFileError(file.path, 'was written on a big-endian machine', 'Save it again on a little-endian one.');
  }
}

/**
 * Reads the format of `torch.save` before PyTorch 1.6 (such as google/electra-*-discriminator): a sequence of pickles
 * (magic number, protocol version, system, state dict, storage keys), then per storage its number of elements in 8
 * bytes and the elements.
 */
async function readLegacyTorch(file: WeightFile): Promise<RawTensors> {
  try {
    const { root, keys, handlers, end } = readPickles(await file.read(0, Math.min(MAX_PICKLE_BYTES, file.size)));
    const starts = await locateStorages(file, end, keys, handlers);
    return stateDictTensors(root, file.path, (storage) => starts.get(storage.key) as number);
  } catch (error) {
    if (error instanceof PickleTruncated && file.size > MAX_PICKLE_BYTES) {
      throw weightFileError(file.path, `its pickles do not end within the ${MAX_PICKLE_BYTES} bytes allowed`);
    }
    if (error instanceof PickleError) throw weightFileError(file.path, error.message, error.hint);
    throw error;
  }
}

/** The pickles before the state dict hold only numbers and a dict of strings, so no global is allowed. */
const PLAIN: PickleHandlers = {
  findGlobal: () => undefined,
  persistentLoad: () => {
    throw new PickleError('the pickle refers to a tensor before the state dict');
  },
};

function readPickles(buffer: Buffer) {
  let end = 0;
  const next = (handlers: PickleHandlers): PickleValue => {
    const result = readPickle(buffer, end, handlers);
    end = result.end;
    return result.value;
  };
  if (next(PLAIN) !== MAGIC_NUMBER) {
    throw new PickleError(
      'is neither a zip archive nor a legacy torch.save file',
      'Get the weights as model.safetensors, or save them with torch.save(model.state_dict(), path).',
    );
  }
  if (next(PLAIN) !== PROTOCOL_VERSION) throw new PickleError('is of an unknown version of the legacy torch format');
  const system = next(PLAIN);
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    throw new PickleError('was written on a big-endian machine', 'Save it again on a little-endian one.');
  }
  const handlers = new StateDictHandlers();
  const root = next(handlers);
  const keys = next(PLAIN);
  if (!Array.isArray(keys)) throw new PickleError('has no list of storages after its state dict');
  return { root, keys, handlers, end };
}

/** Byte positions of the storages by key. */
async function locateStorages(
  file: WeightFile,
  begin: number,
  keys: PickleValue[],
  handlers: StateDictHandlers,
): Promise<Map<string, number>> {
  const starts = new Map<string, number>();
  let position = begin;
  for (const key of keys) {
    const storage = typeof key === 'string' ? handlers.storages.get(key) : undefined;
    if (!storage || starts.has(storage.key)) {
      const shown = typeof key === 'string' ? JSON.stringify(key.slice(0, 100)) : 'whose key is not text';
      throw weightFileError(file.path, `lists a storage ${shown} that no tensor uses, or twice`);
    }
    const elements = (await file.read(position, 8)).readBigInt64LE();
    if (elements !== BigInt(storage.elements)) {
      throw weightFileError(
        file.path,
        `storage ${storage.key} has ${elements} elements, its tensor expects ${storage.elements}`,
      );
    }
    starts.set(storage.key, position + 8);
    position += 8 + storage.elements * BYTES_PER_ELEMENT[storage.dtype];
    if (position > file.size) {
      throw weightFileError(file.path, `ends after ${file.size} bytes, inside storage ${storage.key}`);
    }
  }
  for (const key of handlers.storages.keys()) {
    if (!starts.has(key))
      throw weightFileError(file.path, `does not hold storage ${JSON.stringify(key.slice(0, 100))}`);
  }
  return starts;
}
