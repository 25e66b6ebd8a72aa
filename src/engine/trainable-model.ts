import { readdir } from 'node:fs/promises';
import type { Binding, DropoutRates, EngineInfo, FlatArray, NativeTrainer, ParameterPlace } from '../../binding.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { loadCheckpoint, type MonoOverrides } from '../models/load-checkpoint.js';
import type { TensorValues } from '../models/raw-tensor.js';
import { saveModel } from '../models/save-model.js';
import { checkOptionNames, type OptionNames } from '../config/option-names.js';
import { TRAINING_PRECISIONS } from '../config/precision.js';
import { ioError, RankDistillmError, throwIfAborted } from '../errors.js';
import { replaceFolder } from '../io/replace-folder.js';
import { DEFAULT_SEED, SEEDS } from '../random/random-stream.js';
import { createPairTokenizer, type PairTokenizer, type TextPair } from '../tokenize/pair-tokenizer.js';
import { ENGINE_OPTIONS, resolveEngine, type EngineOptions, type ResolvedEngine } from './engine-options.js';
import { loadBinding } from './load-binding.js';
import { loadBoth } from './load-both.js';
import { halvedWarning, warnOnce } from './memory-warning.js';
import { fromNative } from './native-error.js';
import { scoreWindows, type ScoredWindow } from './score-windows.js';

/** `precision` is `32-true` (default) or `bf16-mixed`. */
export interface TrainableModelOptions extends EngineOptions {
  /** Fields of lightning-ir's MonoConfig that win over the model's config.json. */
  config?: MonoOverrides | undefined;
  /** Which label's logit is the score, by index or name, for a classification model of several labels. */
  label?: number | string | undefined;
  revision?: string | undefined;
  /** Seed of a fresh head and of dropout, below 2^32. Default 42. */
  seed?: number | undefined;
  /** Default true: the rates of config.json. */
  dropout?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onWarning?: ((message: string) => void) | undefined;
}

const LOAD_OPTIONS: OptionNames<TrainableModelOptions> = {
  ...ENGINE_OPTIONS,
  config: true,
  label: true,
  revision: true,
  seed: true,
  dropout: true,
  signal: true,
  onWarning: true,
};

interface Parts {
  checkpoint: Checkpoint;
  device: string;
  warn: (message: string) => void;
  tokenizer: PairTokenizer;
  native: NativeTrainer;
  binding: Binding;
}

const NO_DROPOUT: DropoutRates = {
  embeddings: 0,
  attentionWeights: 0,
  attentionOutput: 0,
  layerOutput: 0,
  headInput: 0,
  headHidden: 0,
};

/** Numbers handed over at a time: 16 MiB. */
const PART_VALUES = 4 * 1024 * 1024;

/**
 * A cross-encoder that is trained: float32 parameters with gradients and AdamW's moments in the engine. `Trainer` in
 * src/train takes it through its steps.
 */
export class TrainableModel implements AsyncDisposable {
  /** What the caller asked for. */
  readonly name: string;
  readonly checkpoint: Checkpoint;
  readonly tokenizer: PairTokenizer;
  readonly native: NativeTrainer;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  /** Says once that the device's memory ran out and blocks were halved. */
  readonly warnHalved: (blockTokens: number) => void;
  readonly #binding: Binding;

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
  static async load(nameOrPath: string, options: TrainableModelOptions = {}): Promise<TrainableModel> {
    checkOptionNames(options, LOAD_OPTIONS, 'TrainableModel.load');
    const seed = checkSeed(options.seed ?? DEFAULT_SEED);
    const warn = options.onWarning ?? ((message) => process.emitWarning(message, 'RankDistillmWarning'));
    const binding = loadBinding();
    const engine = trainingEngine(options, binding);
    const { config: overrides, label, revision } = options;
    const checkpoint = await loadCheckpoint(nameOrPath, { overrides, label, revision, seed });
    for (const warning of checkpoint.warnings) warn(warning);
    throwIfAborted(options.signal);
    const { encoder, head, training } = checkpoint;
    const dropout = options.dropout === false ? NO_DROPOUT : training.dropout;
    const paddingId = training.padTokenId ?? -1;
    const [tokenizer, native] = await loadBoth(
      createPairTokenizer(checkpoint, { threads: engine.tokenizerThreads }),
      binding
        .createTrainer({ encoder, head, ...engine.native, dropout, paddingId, seed }, checkpoint.tensors)
        .catch((error: unknown) => Promise.reject(fromNative(error))),
      options.signal,
    );
    if (native.precision !== engine.compute) {
      warn(`this CPU has no bf16 instructions (AVX512_BF16 or AMX); ${nameOrPath} is trained in float32`);
    }
    return new TrainableModel({ checkpoint, device: engine.device, warn, tokenizer, native, binding });
  }

  /** Engine, CPU features, threads, memory held. */
  get engine(): EngineInfo {
    return this.#binding.info();
  }

  /** Numbers that are trained. */
  get parameterCount(): number {
    return this.native.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  }

  /** The tensors of one of the flat arrays, by canonical name (binding.d.ts), read from the engine part by part. */
  tensors(array: FlatArray = 'values'): TensorValues[] {
    return this.native.parameters.map((place) => ({
      name: place.name,
      shape: place.shape,
      parts: () => this.#read(array, place),
    }));
  }

  /** Overwrites the tensors of one of the flat arrays; each must be there in its shape. */
  async restore(array: FlatArray, tensors: readonly TensorValues[]): Promise<void> {
    const places = new Map(this.native.parameters.map((place) => [place.name, place]));
    for (const tensor of tensors) {
      const { name, shape } = tensor;
      const place = places.get(name);
      if (!place || place.shape.join() !== shape.join()) {
        throw new RankDistillmError('bad_input', `${this.name}: ${name} [${shape.join(', ')}] is not a tensor of it`, {
          hint: 'The checkpoint belongs to another model.',
        });
      }
      let { offset } = place;
      for await (const part of tensor.parts()) {
        await this.native.write(array, offset, part);
        offset += part.length;
      }
    }
  }

  /**
   * Saves the model as it is now: a folder as `save_pretrained` of lightning-ir or transformers writes it, float32. It is
   * whole or not there; a model that stood there is replaced.
   *
   * @throws RankDistillmError `bad_input` where the folder holds something else; `io`
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
  throw new RankDistillmError('bad_input', `${folder}: holds other files than a model's, which would be replaced`, {
    hint: 'Name a new folder, or an older model.',
  });
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function trainingEngine(options: EngineOptions, binding: Binding): ResolvedEngine {
  const engine = resolveEngine(options, binding);
  const { precision } = engine;
  if (!TRAINING_PRECISIONS.includes(precision)) {
    throw new RankDistillmError('unsupported', `precision: ${precision} does not train: AdamW needs float32 weights`, {
      hint: 'Use bf16-mixed, which computes in bf16 and keeps float32 weights, or 32-true.',
    });
  }
  return engine;
}

function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0 && seed < SEEDS) return seed;
  throw new RankDistillmError('bad_input', `seed: expected a whole number from 0 to ${SEEDS - 1}, received ${seed}`, {
    hint: 'Choose another seed.',
  });
}
