import type { ComputePrecision, DeviceBinding, EngineInfo, NativeModel } from '../../binding.js';
import { checkOptions, type SettingsOf } from '../config/read-settings.js';
import { badArgument, RankDistillmError, throwIfAborted, warner } from '../errors.js';
import { holdInputs } from '../io/inputs.js';
import { bindingOf } from '../io/load-binding.js';
import type { Checkpoint } from '../models/checkpoint.js';
import { loadCheckpoint } from '../models/load-checkpoint.js';
import { modelFolderFiles } from '../models/save-model.js';
import type { ScoreActivation } from '../models/sentence-transformers.js';
import {
  createPairTokenizer,
  type EncodedPair,
  type PairTokenizer,
  type TextPair,
} from '../tokenize/pair-tokenizer.js';
import { chooseArithmetic, nativeArithmetic, type ArithmeticChoice } from './arithmetic.js';
import { loadOptions, rankOptions, scoreOptions, streamOptions } from './cross-encoder-options.js';
import type { LoadOptions, RankOptions, ScoreOptions, StreamOptions } from './cross-encoder-options.js';
import { DocumentPairs } from './document-pairs.js';
import { resolveEngine, type ResolvedEngine } from './engine-options.js';
import { FinerScores, type ErrorBounds, type RefinedCounts } from './finer-scores.js';
import { checkMemory, loadBoth } from './load-both.js';
import { chooseDevices, loadOnEach } from './many-devices.js';
import { fromNative } from './native-error.js';
import { halvedWarning, type ScoredWindow, scoreWindows, warnOnce } from './score-windows.js';

export interface RankedDocument {
  /** Index into the given documents. */
  index: number;
  score: number;
  /** With `returnDocuments`. */
  document?: string;
  /** The model did not read all of the query and the document; not set where it did. */
  truncated?: true;
  /** With `longDocuments`, of a document in several passages: the place of the best, in UTF-16 units. */
  passage?: { start: number; end: number };
}

/** A ranking with what was computed for it. */
export interface Ranking {
  /** Best first. */
  documents: RankedDocument[];
  /** Tokens that the model read. */
  tokens: number;
  /** With `exact`, unless the model's own precision is 32-true. */
  refined?: RefinedCounts | undefined;
}

/** Documents of a query with their scores, of which the best are wanted exactly. */
export interface RefineRequest {
  query: string;
  documents: readonly string[];
  /** [documents], of this model. */
  scores: ArrayLike<number>;
  topK: number;
  /** Instead of the model's own, see `CrossEncoder.errorBounds`. */
  bounds?: ErrorBounds | undefined;
  signal?: AbortSignal | undefined;
}

/** Scores of pairs with what was computed for them. */
export interface DetailedScores {
  /** [pairs] */
  scores: Float32Array;
  /** [pairs] */
  truncated: boolean[];
  /** Tokens of the distinct pairs. */
  tokens: number;
}

interface Parts {
  warn: (message: string) => void;
  queueLimit: number;
  binding: DeviceBinding;
  native: NativeModel;
  tokenizer: PairTokenizer;
  checkpoint: Checkpoint;
  engine: ResolvedEngine;
  devices: readonly string[];
  arithmetic: ArithmeticChoice;
}

/** A cross-encoder: scores how well a document answers a query, both read together (Nogueira and Cho 2019). */
export class CrossEncoder implements AsyncDisposable {
  /** The folder or Hugging Face id that was loaded. */
  readonly name: string;
  /** Name of the Python class that has these weights, for example `MonoElectraModel`. */
  readonly modelClass: string;
  /**
   * Activation of the scores from the model's folder (sentence-transformers' `activation_fn`); undefined if it has none
   * or an unknown one. `score` and `rank` apply an activation only with their option `activation`.
   */
  readonly activation: ScoreActivation | undefined;
  /** `cpu` or `cuda:N`; of several the first. */
  readonly device: string;
  readonly devices: readonly string[];
  /** What the scores are computed in, and why. */
  readonly arithmetic: ArithmeticChoice;
  readonly #warn: (message: string) => void;
  readonly #binding: DeviceBinding;
  readonly #native: NativeModel;
  readonly #tokenizer: PairTokenizer;
  readonly #finer: FinerScores;
  /** The model's files, where `load` read them. */
  #held: Disposable | undefined;
  readonly #running = new Set<Promise<unknown>>();
  readonly #queueLimit: number;
  #unfinished = 0;
  #closed: Promise<void> | undefined;

  private constructor(parts: Parts) {
    const { checkpoint, engine, devices, arithmetic, warn, queueLimit, binding, native, tokenizer } = parts;
    this.name = checkpoint.name;
    this.modelClass = checkpoint.modelClass;
    this.activation = checkpoint.activation;
    this.device = engine.device;
    this.devices = devices;
    this.arithmetic = arithmetic;
    this.#warn = warnOnce(warn);
    this.#queueLimit = queueLimit;
    this.#binding = binding;
    this.#native = native;
    this.#tokenizer = tokenizer;
    this.#finer = new FinerScores({
      checkpoint,
      engine,
      arithmetic,
      binding,
      native,
      warn: this.#warn,
      scoreIn: (model, pairs, signal) => this.#scoreIn(model, pairs, signal),
    });
  }

  /**
   * Loads a model folder, or a Hugging Face id from the local hub cache, see docs/models.md.
   *
   * @throws RankDistillmError `not_found`, `bad_input`, `unsupported`, `io`, `native`, `aborted`
   */
  static async load(nameOrPath: string, given: LoadOptions = {}): Promise<CrossEncoder> {
    const options = checkOptions(loadOptions, given);
    throwIfAborted(options.signal);
    enginesOf(options); // check options before reading files
    const { label, config: overrides, freshHead, seed, revision } = options;
    const checkpoint = await loadCheckpoint(nameOrPath, { label, overrides, freshHead, seed, revision });
    const files = await modelFolderFiles(checkpoint.folder);
    const model = await CrossEncoder.fromCheckpoint(checkpoint, options);
    model.#held = holdInputs(files);
    return model;
  }

  /** Like `load`, for a checkpoint whose headers are read already; `config`, `label` and `seed` were applied then. */
  static async fromCheckpoint(checkpoint: Checkpoint, given: LoadOptions = {}): Promise<CrossEncoder> {
    const options = checkOptions(loadOptions, given);
    const warn = warner(options.onWarning);
    const engines = enginesOf(options);
    const engine = engines[0]!;
    const binding = bindingOf(engine.device);
    for (const warning of checkpoint.warnings) warn(warning);
    throwIfAborted(options.signal);
    checkMemory(checkpoint, engine);
    const { encoder, head } = checkpoint;
    const { device, compute: asked } = engine;
    const arithmetic = await chooseArithmetic(binding, { device, asked, encoder, work: 'scoring' });
    const [tokenizer, native] = await loadBoth(
      createPairTokenizer(checkpoint, { threads: engine.tokenizerThreads, onWarning: warn }),
      loadOnEach(engines, (each) =>
        binding
          .createModel({ encoder, head, ...each.native, ...nativeArithmetic(arithmetic) }, checkpoint.tensors)
          .catch((error: unknown) => Promise.reject(fromNative(error))),
      ),
      options.signal,
    );
    const { queueLimit } = options;
    const devices = engines.map((each) => each.device);
    return new CrossEncoder({ checkpoint, engine, devices, arithmetic, warn, queueLimit, binding, native, tokenizer });
  }

  /** What the products are computed in: at least as exact as the precision that was asked for, see `arithmetic`. */
  get precision(): ComputePrecision {
    return this.#native.precision;
  }

  /** Tokens of the longest pair, with special tokens; the rest of longer texts is not read. */
  get maxLength(): number {
    return this.#tokenizer.maxLength;
  }

  /** Tokens of a document that are read at most: its own limit where the model has one, else what a pair may have. */
  get documentLength(): number {
    return this.#tokenizer.documentLength ?? this.#tokenizer.maxLength;
  }

  /** Engine, CPU features, threads, memory. */
  get engine(): EngineInfo {
    return this.#binding.info();
  }

  /**
   * Scores pairs. Duplicates are computed once.
   *
   * @returns [pairs], raw logits in the caller's order (log-probabilities for scoring_strategy mono)
   * @throws RankDistillmError `bad_input`, `aborted`, `closed`, `busy`, `native`
   */
  async score(pairs: readonly TextPair[], given: ScoreOptions = {}): Promise<Float32Array> {
    return (await this.scoreInDetail(pairs, given)).scores;
  }

  /** Like `score`, with what the model read of the pairs. */
  async scoreInDetail(pairs: readonly TextPair[], given: ScoreOptions = {}): Promise<DetailedScores> {
    const options = checkOptions(scoreOptions, given);
    checkList('pairs', pairs);
    pairs.forEach(checkPair);
    const detailed = await this.#track(this.#scoreAll(pairs, options));
    return options.activation === 'sigmoid' ? { ...detailed, scores: detailed.scores.map(sigmoid) } : detailed;
  }

  /**
   * Scores a stream of pairs of any length in bounded memory, in the stream's order.
   *
   * @throws RankDistillmError `bad_input`, `aborted`, `closed`, `busy`, `native`
   */
  async *scoreStream(
    pairs: Iterable<TextPair> | AsyncIterable<TextPair>,
    given: StreamOptions = {},
  ): AsyncGenerator<{ score: number; encoded: EncodedPair }, void, undefined> {
    const { signal, nonFinite } = checkOptions(streamOptions, given);
    let before = 0;
    for await (const { scores, encoded } of this.scoreWindows(pairs, { signal })) {
      if (nonFinite === 'error') this.#checkFinite(scores, before);
      before += scores.length;
      for (const [i, pair] of encoded.entries()) yield { score: scores[i]!, encoded: pair };
    }
  }

  /** Like `scoreStream`, but yields windows of consecutive pairs, with the result of the engine as it is. */
  scoreWindows(
    pairs: Iterable<TextPair> | AsyncIterable<TextPair>,
    { signal, maxTokens }: Pick<ScoreOptions, 'signal'> & { maxTokens?: number | undefined } = {},
  ): AsyncGenerator<ScoredWindow, void, undefined> {
    this.#assertOpen();
    return this.#queued(this.#windowsOf(this.#native, pairs, { signal, maxTokens }));
  }

  #windowsOf(
    model: NativeModel,
    pairs: Iterable<TextPair> | AsyncIterable<TextPair>,
    { signal, maxTokens }: Pick<ScoreOptions, 'signal'> & { maxTokens?: number | undefined },
  ): AsyncGenerator<ScoredWindow, void, undefined> {
    const cancel = this.#binding.createCancelToken();
    const onHalved = (tokens: number): void => this.#warn(halvedWarning(this.device, tokens));
    const devices = this.devices.length;
    return scoreWindows(pairs, { model, tokenizer: this.#tokenizer, cancel, signal, devices, maxTokens, onHalved });
  }

  /**
   * Orders documents for a query, best first; equal scores keep the given order.
   *
   * @throws RankDistillmError `bad_input`, `aborted`, `closed`, `busy`, `native`
   */
  async rank(query: string, documents: readonly string[], given: RankOptions = {}): Promise<RankedDocument[]> {
    return (await this.rankInDetail(query, documents, given)).documents;
  }

  /** Like `rank`, with the number of tokens that the model read. */
  async rankInDetail(query: string, documents: readonly string[], given: RankOptions = {}): Promise<Ranking> {
    checkList('documents', documents);
    documents.forEach((document, i) => checkPair({ query, document }, i));
    return this.#track(this.#rank(query, documents, checkOptions(rankOptions, given)));
  }

  /**
   * Waits for running `score` and `rank` calls, then frees the weights and ends the tokenizer's threads. May be called
   * repeatedly.
   */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #rank(query: string, documents: readonly string[], settings: SettingsOf<typeof rankOptions>): Promise<Ranking> {
    const { topK = documents.length, exact, returnDocuments, activation, longDocuments, ...options } = settings;
    if (exact && settings.topK === undefined) {
      throw badArgument(
        'topK',
        'a number with exact',
        undefined,
        'Say how many documents are wanted, or leave out exact.',
      );
    }
    this.#assertOpen();
    const all = await DocumentPairs.of(query, documents, {
      long: longDocuments,
      tokenizer: this.#tokenizer,
      signal: options.signal,
    });
    const { scores, truncated, tokens } = await this.#scoreAll(all.pairs, options);
    let logits = all.scores(scores);
    let refined: RefinedCounts | undefined;
    if (exact) {
      const found = await this.#finer.refine(logits, topK, {
        signal: options.signal,
        pairsOf: (index) => all.pairs.slice(...all.placeOf(index)),
        valueOf: (index, finer) => {
          scores.set(finer, all.placeOf(index)[0]);
          return all.score(index, scores);
        },
      });
      ({ scores: logits, counts: refined } = found);
      if (options.nonFinite === 'error') this.#checkFinite(scores, 0);
    }
    // order by logit: a float32 sigmoid would tie the top documents
    const keys = Float32Array.from(logits, (logit) => (Number.isNaN(logit) ? -Infinity : logit));
    const order = [...keys.keys()].sort((a, b) => (keys[a] === keys[b] ? a - b : keys[b]! - keys[a]!)).slice(0, topK);
    const shown = activation === 'sigmoid' ? sigmoid : (score: number) => score;
    const ranked = order.map((index): RankedDocument => {
      const document: RankedDocument = { index, score: shown(logits[index]!) };
      if (returnDocuments) document.document = documents[index]!;
      if (all.isTruncated(index, truncated)) document.truncated = true;
      const passage = all.bestPassage(index, scores);
      if (passage) document.passage = passage;
      return document;
    });
    return { documents: ranked, tokens, refined };
  }

  /**
   * Scores those documents again in 32-true that may belong to its top K, see `refineTop`. A model in 32-true has nothing
   * to do.
   *
   * @returns scores [documents], of which the best K are those of 32-true
   * @throws RankDistillmError `bad_input`, `aborted`, `closed`, `native`, `out_of_memory`
   */
  async refine(request: RefineRequest): Promise<{ scores: ArrayLike<number>; counts: RefinedCounts | undefined }> {
    const { query, documents, scores, topK, bounds, signal } = request;
    this.#assertOpen();
    return this.#track(
      this.#finer.refine(scores, topK, {
        signal,
        bounds,
        pairsOf: (index) => [{ query, document: documents[index]! }],
        valueOf: (_, finer) => finer[0]!,
      }),
    );
  }

  /**
   * What scores are taken to be off from those of 32-true, see `ErrorBound`; after that the same of the finer scores that
   * `refine` takes first. Where that is not known, it is measured on these pairs; if they are too few, it stays unknown.
   */
  async errorBounds(pairs: () => AsyncIterable<TextPair>, signal?: AbortSignal): Promise<ErrorBounds | undefined> {
    this.#assertOpen();
    return this.#track(this.#finer.errorBounds(pairs, signal));
  }

  /** Scores beside the calls that `queueLimit` counts: this is part of one of them. */
  async #scoreIn(
    model: NativeModel,
    pairs: readonly TextPair[],
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const options = { signal, nonFinite: 'return' as const };
    return (await this.#scoreAll(pairs, options, (distinct) => this.#windowsOf(model, distinct, options))).scores;
  }

  /** @param score scores distinct pairs */
  async #scoreAll(
    pairs: readonly TextPair[],
    options: Omit<ScoreOptions, 'activation'>,
    score = (distinct: readonly TextPair[]) => this.scoreWindows(distinct, options),
  ): Promise<DetailedScores> {
    const { distinct, of } = distinctPairs(pairs);
    const found = new Float32Array(distinct.length);
    const cut: boolean[] = [];
    let scored = 0;
    let done = 0;
    let tokens = 0;
    for await (const { scores, encoded } of score(distinct)) {
      found.set(scores, scored);
      scored += scores.length;
      for (const { truncated, inputIds } of encoded) {
        cut.push(truncated);
        tokens += inputIds.length;
      }
      while (done < of.length && of[done]! < scored) ++done; // the first `done` pairs all have their scores
      options.onProgress?.({ done, total: pairs.length });
    }
    const scores = Float32Array.from(of, (index) => found[index]!);
    if (options.nonFinite === 'error') this.#checkFinite(scores, 0);
    return { scores, truncated: Array.from(of, (index) => cut[index]!), tokens };
  }

  /** Counts a stream from its first pair to its end. */
  async *#queued<T>(stream: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
    if (this.#unfinished >= this.#queueLimit) {
      throw new RankDistillmError('busy', `${this.name}: ${this.#queueLimit} calls are unfinished, the queueLimit`, {
        hint: 'Call again when earlier calls have finished, pass more pairs per call, or raise queueLimit.',
      });
    }
    this.#unfinished += 1;
    try {
      yield* stream;
    } finally {
      this.#unfinished -= 1;
    }
  }

  /** @param before pairs before those of `scores` */
  #checkFinite(scores: Float32Array, before: number): void {
    const at = scores.findIndex((score) => !Number.isFinite(score));
    if (at < 0) return;
    throw new RankDistillmError(
      'bad_input',
      `${this.name}: the score of pair ${before + at} (from 0) is ${scores[at]}`,
      {
        hint: 'The weights are damaged, or too large for the precision: try 32-true. nonFinite: "return" returns the score.',
      },
    );
  }

  async #end(): Promise<void> {
    this.#held?.[Symbol.dispose]();
    await Promise.allSettled(this.#running);
    await Promise.all([this.#native.close(), this.#finer.close(), this.#tokenizer.close()]);
  }

  async #track<T>(run: Promise<T>): Promise<T> {
    this.#running.add(run);
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  #assertOpen(): void {
    if (!this.#closed) return;
    throw new RankDistillmError('closed', `${this.name}: the model is closed`, {
      hint: 'Load the model again; a closed model cannot be reopened.',
    });
  }
}

/** An engine on each device. */
function enginesOf(options: SettingsOf<typeof loadOptions>): ResolvedEngine[] {
  const { devices } = options;
  if (devices === undefined) return [resolveEngine(options, options.timed)];
  return chooseDevices(devices).map((device) => resolveEngine({ ...options, device }, options.timed));
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** A lone document instead of a list is an easy mistake in JavaScript. */
function checkList(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw badArgument(name, 'an array', value);
}

function checkPair(pair: TextPair, index: number): void {
  for (const key of ['query', 'document'] as const) {
    const value: unknown = (pair as TextPair | undefined)?.[key];
    if (typeof value !== 'string') throw badArgument(`pairs[${index}].${key}`, 'a string', value);
  }
}

/** Pairs without duplicates, and the index of each given pair among them. */
interface DistinctPairs {
  /** In the order of their first occurrence. */
  distinct: TextPair[];
  /** [pairs]: index into `distinct`. */
  of: Int32Array;
}

/** Removes duplicates, because equal pairs have equal scores. */
function distinctPairs(pairs: readonly TextPair[]): DistinctPairs {
  const distinct: TextPair[] = [];
  const byQuery = new Map<string, Map<string, number>>();
  const of = Int32Array.from(pairs, (pair) => {
    let byDocument = byQuery.get(pair.query);
    if (byDocument === undefined) byQuery.set(pair.query, (byDocument = new Map<string, number>()));
    const known = byDocument.get(pair.document);
    if (known !== undefined) return known;
    byDocument.set(pair.document, distinct.length);
    return distinct.push(pair) - 1;
  });
  return { distinct, of };
}
