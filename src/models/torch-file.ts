import type { RawTensors } from './raw-tensor.js';
import { readLegacyTorch } from './torch-legacy.js';
import { readZipTorch } from './torch-zip.js';
import { withWeightFile } from './weight-file.js';

/** Reads the tensors' places in a file of `torch.save`, in either format; no code of the file runs. */
export async function readTorchFile(path: string): Promise<RawTensors> {
  return withWeightFile(path, async (file) => {
    const start = await file.read(0, Math.min(4, file.size));
    return start.toString('latin1') === 'PK\u0003\u0004' ? readZipTorch(file) : readLegacyTorch(file);
  });
}
