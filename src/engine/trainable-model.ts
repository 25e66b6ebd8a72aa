import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import type { DeviceBinding, EngineInfo, FlatArray, NativeTrainer, ParameterPlace } from '../../binding.js';
import { bindingOf } from '../io/load-binding.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import type { TensorValues } from '../models/raw-tensor.js';
import { modelFolderFiles, saveModel } from '../models/save-model.js';
import { checkTrainingPrecision } from '../config/precision.js';
import { checkOptions, type OptionsOf } from '../config/read-settings.js';
import { key } from '../config/schema/fields.js';
import { ioError, RankDistillmError, throwIfAborted, warner } from '../errors.js';
import { holdInputs } from '../io/inputs.js';
import { replaceFolder } from '../io/replace-folder.js';
import { DEFAULT_SEED, SEEDS } from '../random/random-stream.js';
import type { TextPair } from '../tokenize/pair-tokenizer.js';
import { createPairTokenizer, type PairTokenizer } from '../tokenize/pair-tokenizer.js';
import { chooseArithmetic } from './arithmetic.js';
import { modelKeys, NO_DROPOUT, resolveEngine } from './engine-options.js';
import { checkMemory, loadBoth } from './load-both.js';
import { halvedWarning, warnOnce } from './score-windows.js';
import { fromNative } from './native-error.js';
import { scoreWindows, type ScoredWindow } from './score-windows.js';

export const trainableOptions = z.strictObject({
  ...modelKeys,
  seed: key(
    z
      .int()
      .min(0)
      .max(SEEDS - 1)
      .default(DEFAULT_SEED),
    'Seed of a fresh head and of dropout.',
  ),
  dropout: key(z.boolean().default(true), 'Apply dropout, at the rates of config.json.'),
});

/** `precision` is `32-true` (default) or `bf16-mixed`. */
export type TrainableModelOptions = OptionsOf<typeof trainableOptions>;

interface Parts {
  checkpoint: Checkpoint;
  device: string;
  warn: (message: string) => void;
  tokenizer: PairTokenizer;
  native: NativeTrainer;
  binding: DeviceBinding;
}

/** Values, gradients and AdamW's two moments. */
const FLAT_ARRAYS = 4;

/** Numbers per read of the engine: 16 MiB. */
const PART_VALUES = 4 * 1024 * 1024;

/**
 * A cross-encoder for training: float32 parameters with gradients and AdamW's moments in the engine. `Trainer` in
 * src/train runs its optimizer steps.
 */
export class TrainableModel implements AsyncDisposable {
  /** The folder or Hugging Face id that was loaded. */
  readonly name: string;
  readonly checkpoint: Checkpoint;
  readonly tokenizer: PairTokenizer;
  readonly native: NativeTrainer;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  /** Warns once that the device ran out of memory and blocks were halved. */
  readonly warnHalved: (blockTokens: number) => void;
  readonly #binding: DeviceBinding;
  /** The model's files, where `load` read them. */
  #held: Disposable | undefined;

  private constructor({ checkpoint, device, warn, tokenizer, native, binding }: Parts) {
    const once = warnOnce(warn);
    this.name = checkpoint.name;
    this.device = device;
    this.warnHalved = (blockTokens) => once(halvedWarning(device, blockTokens));
    this.checkpoint = checkpoint;
    this.tokenizer = tokenizer;
    this.native = native;
    this.#binding = binding;
  }

  /**
   * Loads a model folder, or a Hugging Face id from the local hub cache, see docs/models.md.
   *
   * @throws RankDistillmError `not_found`, `bad_input`, `unsupported`, `io`, `native`, `aborted`
   */
  static async load(nameOrPath: string, given: TrainableModelOptions = {}): Promise<TrainableModel> {
    const options = checkOptions(trainableOptions, given);
    const { config: overrides, label, revision, seed } = options;
    const checkpoint = await loadCheckpoint(nameOrPath, { overrides, label, revision, seed });
    const files = await modelFolderFiles(checkpoint.folder);
    const model = await TrainableModel.fromCheckpoint(checkpoint, options);
    model.#held = holdInputs(files);
    return model;
  }

  /** Like `load`, for a checkpoint whose headers are read already; `config`, `label` and `seed` were applied then. */
  static async fromCheckpoint(checkpoint: Checkpoint, given: TrainableModelOptions = {}): Promise<TrainableModel> {
    const options = checkOptions(trainableOptions, given);
    const warn = warner(options.onWarning);
    const engine = resolveEngine(options, options.timed);
    const binding = bindingOf(engine.device);
    checkTrainingPrecision(engine.precision, ['precision']);
    for (const warning of checkpoint.warnings) warn(warning);
    throwIfAborted(options.signal);
    checkMemory(checkpoint, engine, FLAT_ARRAYS);
    const { encoder, head, training } = checkpoint;
    const dropout = options.dropout === false ? NO_DROPOUT : training.dropout;
    const paddingId = training.padTokenId ?? -1;
    const { device, compute: asked } = engine;
    const { products: precision, why } = await chooseArithmetic(binding, { device, asked, encoder, work: 'training' });
    const [tokenizer, native] = await loadBoth(
      createPairTokenizer(checkpoint, { threads: engine.tokenizerThreads, onWarning: warn }),
      binding
        .createTrainer(
          { encoder, head, ...engine.native, precision, dropout, paddingId, seed: options.seed },
          checkpoint.tensors,
        )
        .catch((error: unknown) => Promise.reject(fromNative(error))),
      options.signal,
    );
    if (native.precision !== engine.compute) {
      warn(`${checkpoint.name} is trained in float32, which is no slower than bf16 on this CPU (${why})`);
    }
    return new TrainableModel({ checkpoint, device, warn, tokenizer, native, binding });
  }

  /** Engine, CPU features, threads, memory. */
  get engine(): EngineInfo {
    return this.#binding.info();
  }

  /** Number of trained values. */
  get parameterCount(): number {
    return this.native.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  }

  /** The tensors of a flat array under their canonical names (binding.d.ts), read from the engine in parts. */
  tensors(array: FlatArray = 'values'): TensorValues[] {
    return this.native.parameters.map((place) => ({
      name: place.name,
      shape: place.shape,
      parts: () => this.#read(array, place),
    }));
  }

  /** Overwrites tensors of a flat array; names and shapes must match. */
  async restore(array: FlatArray, tensors: readonly TensorValues[]): Promise<void> {
    const places = new Map(this.native.parameters.map((place) => [place.name, place]));
    for (const tensor of tensors) {
      const { name, shape } = tensor;
      const place = places.get(name);
      if (!place || place.shape.join() !== shape.join()) {
        throw new RankDistillmError(
          'bad_input',
          `${this.name}: ${name} [${shape.join(', ')}] is not a tensor of this model`,
          {
            hint: 'Use a checkpoint of this model.',
          },
        );
      }
      let { offset } = place;
      for await (const part of tensor.parts()) {
        await this.native.write(array, offset, part);
        offset += part.length;
      }
    }
  }

  /**
   * Saves the current model in float32, in the layout of `save_pretrained` of lightning-ir or transformers. The write
   * is atomic and replaces an older model.
   *
   * @throws RankDistillmError `bad_input` when the folder contains other files; `io`
   */
  async save(folder: string): Promise<void> {
    await refuseOtherContent(folder);
    await replaceFolder(folder, (temporary) =>
      saveModel(temporary, { source: this.checkpoint, tensors: this.tensors() }),
    );
  }

  /** Scores a stream of pairs without dropout, see `CrossEncoder.scoreWindows`. */
  scoreWindows(
    pairs: Iterable<TextPair> | AsyncIterable<TextPair>,
    signal?: AbortSignal,
  ): AsyncGenerator<ScoredWindow, void, undefined> {
    return scoreWindows(pairs, {
      model: this.native,
      tokenizer: this.tokenizer,
      cancel: this.#binding.createCancelToken(),
      signal,
      onHalved: this.warnHalved,
    });
  }

  async close(): Promise<void> {
    this.#held?.[Symbol.dispose]();
    await Promise.all([this.native.close(), this.tokenizer.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#read(array: FlatArray, { shape, offset }: ParameterPlace): AsyncGenerator<Float32Array> {
    const size = sizeOf(shape);
    for (let done = 0; done < size; done += PART_VALUES) {
      yield await this.native.read(array, offset + done, Math.min(PART_VALUES, size - done));
    }
  }
}

async function refuseOtherContent(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    throw ioError('write', folder, error);
  });
  if (names.length === 0 || names.includes('config.json')) return;
  throw new RankDistillmError('bad_input', `${folder}: contains files that are not a model's and would be replaced`, {
    hint: 'Choose a new folder, or one with an older model.',
  });
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
