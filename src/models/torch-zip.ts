import { PickleError, readPickle } from './pickle.js';
import { BYTES_PER_ELEMENT, type RawTensors } from './raw-tensor.js';
import { StateDictHandlers, stateDictTensors } from './torch-state-dict.js';
import { weightFileError, type WeightFile } from './weight-file.js';
import { readZipDirectory } from './zip-directory.js';

/** The pickle of ELECTRA-large's state dict has 60 kB. */
const MAX_PICKLE_BYTES = 64 * 1024 * 1024;

/** Reads what `torch.save` writes since PyTorch 1.6: a zip archive with `data.pkl` and one entry per storage. */
export async function readZipTorch(file: WeightFile): Promise<RawTensors> {
  const zip = await readZipDirectory(file);
  const pickleName = zip.names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  const pickle = pickleName === undefined ? undefined : await zip.locate(pickleName);
  if (pickleName === undefined || !pickle) {
    throw weightFileError(file.path, 'is a zip archive, but none of torch.save (it has no data.pkl)');
  }
  if (pickle.bytes > MAX_PICKLE_BYTES) {
    throw weightFileError(file.path, `data.pkl has ${pickle.bytes} bytes; a state dict needs a few thousand`);
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
