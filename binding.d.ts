/**
 * Everything the native addons export: rank_distillm.node, for the CPU, and rank_distillm_torch.node, for the devices of
 * LibTorch. It knows packed tokens and numbers: no text, no file format, no loss.
 * Shapes are in brackets; `sequences` counts query-document pairs, `tokens` the sum of their lengths.
 */

/** Sequences laid end to end. Positions follow from `cuSeqlens`; there is no padding and no mask. */
export interface PackedBatch {
  /** [tokens] */
  inputIds: Int32Array;
  /** [tokens] */
  tokenTypeIds: Uint8Array;
  /** [sequences + 1], starts with 0, ends with `tokens`; sequence i is `[cuSeqlens[i], cuSeqlens[i + 1])`. */
  cuSeqlens: Int32Array;
}

export type Activation = 'gelu' | 'gelu_tanh' | 'relu';

/** An encoder of the BERT family; src/models/families says how families differ. */
export interface EncoderConfig {
  vocabSize: number;
  /** ELECTRA: may be smaller than `hiddenSize`. */
  embeddingSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  intermediateSize: number;
  /** Tokens of a sequence. */
  maxPositions: number;
  /**
   * Row of the position table that a sequence's first token takes. Above 0 (RoBERTa) the token `firstPosition - 1` is
   * padding: its position is the row of its own number, wherever it stands, and it counts for no other token's.
   */
  firstPosition: number;
  /** 0: the model has no token types (DistilBERT). */
  typeVocabSize: number;
  layerNormEps: number;
  activation: Activation;
}

export type Pooling = 'first' | 'mean' | 'max' | 'sum';

/** Pooled row → (dense layer and activation) → output layer → the score of one label. */
export interface HeadConfig {
  pooling: Pooling;
  /** A layer [hidden, hidden] between pooling and output, by the name of its tensors; undefined where there is none. */
  dense: { name: string; activation: 'tanh' | 'gelu' | 'relu' } | undefined;
  /** The layer [labels, hidden], by the name of its tensors. */
  output: { name: string; labels: number; bias: boolean };
  /** Which label scores. */
  label: number;
  /** The score is the label's log-probability instead of its logit. */
  logSoftmax: boolean;
}

export type Dtype = 'float64' | 'float32' | 'float16' | 'bfloat16';

/**
 * Where a tensor's little-endian row-major bytes are: in memory, or a region of a file. The engine reads a region once,
 * and refuses a file that is not the `version` whose header was read (src/models/weight-file.ts).
 */
export type TensorData = Uint8Array | { file: string; offset: number; bytes: number; version?: string };

/**
 * Names the engine knows:
 * `embeddings.{word_embeddings,position_embeddings,token_type_embeddings}.weight` (no types where typeVocabSize is 0), `embeddings.LayerNorm.{weight,bias}`,
 * `embeddings_project.{weight,bias}` (when embeddingSize differs from hiddenSize), and for each layer N
 * `encoder.layer.N.attention.self.{query,key,value}.{weight,bias}`, `encoder.layer.N.attention.output.dense.{weight,bias}`,
 * `encoder.layer.N.attention.output.LayerNorm.{weight,bias}`, `encoder.layer.N.intermediate.dense.{weight,bias}`,
 * `encoder.layer.N.output.dense.{weight,bias}`, `encoder.layer.N.output.LayerNorm.{weight,bias}`,
 * and the head's layers `{weight,bias}` by the names in `HeadConfig`.
 */
export interface NamedTensor {
  name: string;
  dtype: Dtype;
  shape: number[];
  data: TensorData;
}

/**
 * What the linear layers multiply; sums, softmax, LayerNorm statistics and the score head are float32 in all. Integers
 * are for inference only: weights per output, activations per token, quantised on the fly. `int16` are as fine as sums
 * fit into 32 bits, finer than bfloat16.
 */
export type ComputePrecision = 'float32' | 'bfloat16' | 'int16' | 'int8';
export type FloatPrecision = Extract<ComputePrecision, 'float32' | 'bfloat16'>;

export interface ModelOptions {
  encoder: EncoderConfig;
  head: HeadConfig;
  /**
   * What is asked for; src/engine/arithmetic.ts chooses it. A CPU without instructions for bfloat16 or int8 scores in
   * int16 and, asked for bfloat16, trains in float32, see `NativeModel.precision`.
   */
  precision: ComputePrecision;
  /**
   * Scoring on a CPU, ignored in float32: what queries, keys and values are and what attention multiplies, and how the
   * activation's output is kept; around bfloat16 products always in bfloat16, and without instructions for it in float32. Default:
   * bfloat16 with int8 and bfloat16 where there are instructions, else float32.
   */
  attention?: FloatPrecision;
  between?: FloatPrecision;
  /** Scoring on a CPU with AMX: bfloat16 and int8 on tiles. Default true. */
  tiles?: boolean;
  /** Intra-op threads of the engine; 0 means physical cores or the cgroup's share. Process-wide. */
  threads: number;
  /** `cpu` (default), `cuda` or `cuda:N`. */
  device?: string;
  /** Devices: float32 products on tensor cores, with 10 bits of mantissa. Default false. */
  tf32?: boolean;
  /** Devices, with bfloat16: the residual stream is bfloat16, too, as in Lightning's `bf16-true`. Default false. */
  bfloat16Stream?: boolean;
  /** Devices: share of the GPU's memory that this process may take, process-wide. 0 (default): all that is free. */
  memoryFraction?: number;
  /** Devices: most tokens that go through the model together. 0 (default): what is fast and fits. */
  blockTokens?: number;
  /** Devices: measure `ScoreResult.opSeconds` when scoring, which costs some. Default false. */
  timed?: boolean;
}

export interface ScoreResult {
  /** [sequences], raw logits (log-probabilities for scoring `mono`), in the batch's order. */
  scores: Float32Array;
  /** Precision the batch really ran in. */
  precision: ComputePrecision;
  /**
   * Rows multiplied, summed over all linear layers of encoder and head: proof that no padding was computed. On the CPU a block may
   * be shared with other batches; then this, `linearFlops` and the times are the batch's share by tokens.
   */
  linearRows: number;
  /** Multiplications and additions of the linear layers (2 per multiply-add). */
  linearFlops: number;
  /** Devices: tokens of a block after memory ran out on this batch and blocks were halved; 0 where it did not. */
  halvedTo: number;
  /** Seconds the engine thread spent on the batch. */
  seconds: number;
  /**
   * Seconds by kind of operation, on the CPU summed over the engine's threads; zeros where a CPU's trainer
   * scored, and on a device without `timed`.
   */
  opSeconds: OpSeconds;
}

export interface OpSeconds {
  linear: number;
  /** Activations, with the scales and biases of the layers that have one. */
  activation: number;
  attention: number;
  /** LayerNorm and residual, with the copy for the next product. */
  norm: number;
  embedding: number;
  rest: number;
}

/** Stops a job between two layers of a block; the job's promise rejects with an error whose code is `aborted`. */
export interface CancelToken {
  cancel(): void;
}

export interface NativeModel {
  readonly precision: ComputePrecision;
  /** Bytes of weights. */
  readonly weightBytes: number;
  /** Tokens of a batch that keep a device busy for long enough; 0 where the time they take should decide. */
  readonly windowTokens: number;
  /** Runs on the engine thread, jobs in order of their calls. Token ids and lengths are checked once per batch. */
  score(batch: PackedBatch, cancel?: CancelToken): Promise<ScoreResult>;
  /** Waits for jobs already posted, then frees the weights. Further calls reject. */
  close(): Promise<void>;
}

/** A batch of a training step, or a part of it. */
export interface TrainingBatch extends PackedBatch {
  /**
   * [sequences], each pair's number in the step's whole batch. With seed and step it names the pair's dropout masks, so
   * that a pair computed in another part, or again, gets the same ones.
   */
  pairs: Uint32Array;
}

/** How often values are dropped, by place in the model: 0 to below 1. */
export interface DropoutRates {
  embeddings: number;
  attentionWeights: number;
  /** Before it is added to the residual stream, as a layer's output. */
  attentionOutput: number;
  layerOutput: number;
  /** Rows that the head's dense layer reads, and that its output layer reads. */
  headInput: number;
  headHidden: number;
}

export interface TrainerOptions extends ModelOptions {
  dropout: DropoutRates;
  /** The token whose embedding gets no gradient, as torch's padding_idx; -1: none. */
  paddingId: number;
  /** Below 2^32. */
  seed: number;
}

export interface ForwardResult extends ScoreResult {
  /** Names the activations that `backward` takes; 0 when none were kept. */
  kept: number;
}

/** torch.optim.AdamW's step, all parameters in one group. */
export interface AdamWStep {
  learningRate: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** 1-based, for the bias corrections. */
  step: number;
  /** Multiplies the gradients before anything else; 1 for none. */
  scale: number;
  /** Then each is clamped to ± this; 0 for none. */
  clipValue: number;
}

/** Training keeps four flat float32 arrays of the same layout, see `NativeTrainer.parameters`. */
export type FlatArray = 'values' | 'gradients' | 'firstMoments' | 'secondMoments';

export interface ParameterPlace {
  /** As in `NamedTensor`. */
  name: string;
  shape: number[];
  /** Where the tensor starts in each flat array, in numbers. */
  offset: number;
}

/**
 * A cross-encoder that is trained. Jobs run on the engine thread in the order of their calls. The order of a step:
 * `forward` of each part, `backward` of each part with its slice of dLoss/dScores, `gradientNorm`, `step`. Gradients add
 * up until `step` or `zeroGradients`; between `backward` and `step` they can be read and written (an all-reduce).
 */
export interface NativeTrainer {
  readonly precision: ComputePrecision;
  /** In the order of the flat arrays; gaps between tensors are zero. */
  readonly parameters: ParameterPlace[];
  /** Numbers in each flat array. */
  readonly size: number;
  /** Bytes of values, gradients and moments. */
  readonly weightBytes: number;
  /** Bytes that a kept token takes, about. */
  readonly bytesPerToken: number;
  /** Tokens of a part of a batch that are computed together best. */
  readonly tokensPerPart: number;
  /** Bytes of a device that activations may take; 0 where they lie in the host's memory. */
  readonly activationBytes: number;
  /** Scores without dropout; nothing is kept. */
  score(batch: PackedBatch, cancel?: CancelToken): Promise<ScoreResult>;
  /** Scores with the dropout masks of optimizer step `step` (0-based, below 2^32). */
  forward(batch: TrainingBatch, step: number, keep: boolean, cancel?: CancelToken): Promise<ForwardResult>;
  /**
   * Adds the gradient of Σ gradient[i] · score[i] and frees what was kept.
   *
   * @param gradient [sequences] of that forward, in its order
   * @param sums for the last backward of a step: each range of the gradients begins to be summed over the ranks as soon as
   *   it is complete. Until `finishSums` nothing may use the gradients.
   */
  backward(
    kept: number,
    gradient: Float32Array,
    sums?: GradientSums,
  ): Promise<{ linearRows: number; linearFlops: number }>;
  /** Begins to sum all gradients over the ranks, as the last `backward` of a step does with `sums`. */
  sumGradients(sums: GradientSums): Promise<void>;
  /** Frees what was kept without a backward. */
  discard(kept: number): Promise<void>;
  /** Euclidean norm of all gradients. */
  gradientNorm(): Promise<number>;
  /** Updates values and moments, and zeroes the gradients. */
  step(step: AdamWStep): Promise<void>;
  zeroGradients(): Promise<void>;
  read(array: FlatArray, offset: number, count: number): Promise<Float32Array>;
  write(array: FlatArray, offset: number, values: Float32Array): Promise<void>;
  /** Waits for jobs already posted, then frees everything. Further calls throw. */
  close(): Promise<void>;
}

export interface GpuInfo {
  /** Or, with 0 bytes, why the driver tells nothing about it. */
  name: string;
  totalBytes: number;
  /** Taken by this process, in use or not. */
  reservedBytes: number;
  /** Most that this process used at a time. */
  peakBytes: number;
}

export interface EngineInfo {
  /** Of rank_distillm_torch.node, for example `2.13.0`. */
  libtorch?: string;
  /** `cpu`; in rank_distillm_torch.node also `cuda:N` for each GPU. */
  devices: string[];
  gpus: GpuInfo[];
  /**
   * Flags that choose a code path, of: avx2, avx512{f,bw,dq,vl}, avx512_vnni, avx512_bf16, amx_{tile,bf16,int8}; on arm64
   * of: asimddp, bf16.
   */
  cpuFeatures: string[];
  /** Level of the kernels: generic, avx2, avx512, avx512_vnni, avx512_bf16 or amx; on arm64 neon, neon_dotprod or neon_bf16. */
  kernels: string;
  /** True when bf16 runs on instructions made for it. */
  bf16: boolean;
  /** The same of int8. */
  int8: boolean;
  threads: number;
  /** Bytes of weights held by all models of this process. */
  weightBytes: number;
}

/** What both addons export. */
export interface DeviceBinding {
  info(): EngineInfo;
  createModel(options: ModelOptions, tensors: NamedTensor[]): Promise<NativeModel>;
  createTrainer(options: TrainerOptions, tensors: NamedTensor[]): Promise<NativeTrainer>;
  createCancelToken(): CancelToken;
}

/** A product [m, k] x [k, n]. */
export interface GemmShape {
  m: number;
  n: number;
  k: number;
}

/** rank_distillm.node: models on the CPU. It needs no library. */
export interface Binding extends DeviceBinding {
  /** The rate of the engine's products on this machine in GFLOP/s, best of `repeats`; 0 where there is none. */
  gemmRate(shape: GemmShape, precision: ComputePrecision, repeats: number): Promise<number>;
  /**
   * Locks an open file (flock(2), which Node.js lacks) until it is closed; the kernel does that when the process ends.
   * Does not wait. Throws where the file system has no locks.
   *
   * @returns false if the file was opened and locked elsewhere
   */
  lockFile(fd: number): boolean;
  /**
   * Loads a shared library that is no addon, with what it needs, for as long as the process runs (dlopen(3)). An addon that
   * is loaded later and needs libraries of these names gets these. Throws what the system says.
   */
  openLibrary(path: string): void;
  /**
   * Reads regions of an open file on a thread of libuv's pool and compares them with their checksums. One call for many:
   * a promise for each costs more than the read.
   *
   * @param regions [regions, 3]: offset and length in bytes, and CRC-32
   * @param target filled with the regions, one after the other; not to be touched until the promise is settled
   * @returns 0; -1 if the file is too short or a checksum differs; else the errno of a read that failed. Unless it is 0,
   *   `target` holds anything.
   */
  readRegions(fd: number, regions: Float64Array, target: Uint8Array): Promise<number>;
}

export interface CommunicatorOptions {
  /** Where the store listens, over which ranks find each other. */
  host: string;
  port: number;
  /** Whether this process holds the store. */
  serves: boolean;
  /** 0-based. */
  rank: number;
  /** Number of ranks. */
  ranks: number;
  /** Of the keys in the store, which may serve others, too. */
  prefix: string;
  /** Network interface for collectives; empty: the one on the way to the store. */
  interface: string;
  /** How the others name this rank in errors. */
  label: string;
  /** How long to wait for other ranks at the start. */
  joinSeconds: number;
  /** How long a rank may be silent. */
  timeoutSeconds: number;
}

/** Of a communicator, for trainers: a pointer that only they read. */
export interface GradientSums {
  readonly isGradientSums: never;
}

/**
 * This process as one rank of several, by c10d's TCPStore and gloo. All ranks make the same calls in the same order; calls
 * run one after the other.
 */
export interface NativeCommunicator {
  /** Waits for all ranks. Rejects with `bad_input` if some are missing or contradict each other. */
  connect(): Promise<void>;
  /** Sums the arrays of all ranks in place, with the same bits in all of them; nothing else may use the array meanwhile. */
  allReduce(values: Float32Array): Promise<void>;
  /** For the trainers of this process, of either addon. */
  gradientSums(): GradientSums;
  /** Waits for the sums that trainers have begun. */
  finishSums(): Promise<void>;
  /** The bytes of all ranks, by rank; they may differ in length. */
  allGather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Adds to a counter that all ranks share and returns the sum. */
  add(key: string, number: number): Promise<number>;
  /** Lays down a value for any rank. */
  set(key: string, value: Uint8Array): Promise<void>;
  /** Reads and removes a value; undefined if there is none. */
  take(key: string): Promise<Uint8Array | undefined>;
  /** The first rank that ended or is silent; -1 for the store. Does not wait. */
  fault(): { rank: number; message: string } | undefined;
  /** A collective has failed: silence is believed sooner. */
  suspect(): void;
  /** Tells the others that this rank ends and why; blocks until they know, at most for seconds. */
  fail(message: string): void;
  /** No fault is looked for from now on. */
  leave(): void;
  /** Frees everything. Do not call it after a fault: it would wait for collectives that do not end. */
  close(): Promise<void>;
}

/** rank_distillm_torch.node: models on devices, computed by LibTorch and our CUDA kernels; ranks of several processes. */
export interface TorchBinding extends DeviceBinding {
  /** The same for LibTorch's: oneDNN's on packed weights, or at::linear, also on devices. */
  rivalGemmRate(
    shape: GemmShape,
    precision: ComputePrecision,
    repeats: number,
    kernel: 'onednn' | 'aten',
    device: string,
    tf32: boolean,
  ): Promise<number>;
  Communicator: new (options: CommunicatorOptions) => NativeCommunicator;
  /** Ends the process at once, for one whose collectives will not end. */
  exitNow(this: void, code: number): never;
}

declare const binding: Binding;
export default binding;
