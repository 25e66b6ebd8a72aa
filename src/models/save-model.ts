import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError, RankDistillmError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import { joinMembers } from './json-members.js';
import { readModelFiles, type ModelFiles } from './model-files.js';
import { formatShape } from './raw-tensor.js';
import { savedConfig, savedTokenizerConfig } from './saved-config.js';
import { LIBRARY_FILES } from './sentence-transformers.js';
import { expectedShapes, savedName } from './tensor-names.js';
import type { TensorValues } from './tensor-values.js';
import { writeSafetensors } from './write-safetensors.js';

export interface SaveModelOptions {
  /** The model that `tensors` belong to, as it was loaded: with the settings that it was loaded with. */
  source: Checkpoint;
  /** The source's small files; read from its folder when left out. */
  files?: ModelFiles | undefined;
  /** Every tensor of the model, by canonical name (see `NamedTensor` in binding.d.ts). */
  tensors: readonly TensorValues[];
  /** Optimizer steps so far, noted in config.json as lightning-ir does while it trains. */
  step?: number | undefined;
}

/**
 * Writes a model in the Hugging Face layout: what lightning-ir 0.0.6 saves for its mono models, what transformers saves
 * for sequence classification models. Both load it, and so does `loadCheckpoint`. Weights are float32.
 *
 * @param folder exists and is empty, as `replaceFolder` hands it out
 * @throws RankDistillmError `io`, `not_found`; `bad_input` when the tensors are not those of the model
 */
export async function saveModel(folder: string, options: SaveModelOptions): Promise<void> {
  const { source, tensors } = options;
  checkTensors(source, tensors);
  const files = options.files ?? (await readModelFiles(source.folder));
  const { family, head } = source;
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    tensors.map((tensor) => ({
      name: savedName(tensor.name, family, head),
      shape: tensor.shape,
      parts: () => tensor.parts(),
    })),
  );
  for (const [name, bytes] of files.carried) {
    // of a model with another head than the one that they speak of they would be wrong
    if (source.mono === undefined || !LIBRARY_FILES.includes(name)) await write(join(folder, name), bytes);
  }
  const tokenizerConfig = savedTokenizerConfig(source, files);
  if (tokenizerConfig.size > 0) await write(join(folder, 'tokenizer_config.json'), joinMembers(tokenizerConfig));
  await write(join(folder, 'config.json'), joinMembers(savedConfig(source, files, options.step)));
}

async function write(path: string, content: Buffer | string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (error) {
    throw ioError('write', path, error);
  }
}

function checkTensors({ name, encoder, head }: Checkpoint, tensors: readonly TensorValues[]): void {
  const expected = expectedShapes(encoder, head);
  const problem = (text: string) =>
    new RankDistillmError('bad_input', `${name}: cannot be saved: ${text}`, {
      hint: 'Save every tensor of the model once, by the name and the shape that it was loaded with.',
    });
  for (const tensor of tensors) {
    const shape = expected.get(tensor.name);
    if (!shape) throw problem(`tensor ${tensor.name} is given twice, or the model has none of that name`);
    if (formatShape(shape) !== formatShape(tensor.shape)) {
      const sizes = `expected shape ${formatShape(shape)}, found ${formatShape(tensor.shape)}`;
      throw problem(`tensor ${tensor.name}: ${sizes}`);
    }
    expected.delete(tensor.name);
  }
  const [missing] = expected.keys();
  if (missing !== undefined) throw problem(`tensor ${missing} is missing`);
}
