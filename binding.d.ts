/**
 * Everything the native addon exports. It knows packed tokens and numbers: no text, no file format, no loss.
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

/** A BERT encoder; ELECTRA is the same with `embeddingSize` possibly smaller than `hiddenSize`. */
export interface EncoderConfig {
  vocabSize: number;
  embeddingSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  intermediateSize: number;
  maxPositions: number;
  typeVocabSize: number;
  layerNormEps: number;
  activation: Activation;
}

export type Pooling = 'first' | 'mean' | 'max' | 'sum' | 'bert_pool';

export type HeadConfig =
  /** lightning-ir's MonoModel: pooled row → (dense + tanh for bert_pool) → linear; `mono` has two labels and scores log_softmax[1]. */
  | { kind: 'mono'; pooling: Pooling; scoring: 'rank' | 'mono'; bias: boolean }
  /** ElectraForSequenceClassification: first row → dense → gelu → out_proj, row `label` of `labels`. */
  | { kind: 'electra_classification'; labels: number; label: number }
  /** BertForSequenceClassification: first row → pooler dense → tanh → classifier, row `label` of `labels`. */
  | { kind: 'bert_classification'; labels: number; label: number };

export type Dtype = 'float64' | 'float32' | 'float16' | 'bfloat16';

/** Where a tensor's little-endian row-major bytes are: in memory, or a region of a file that is mapped, not read. */
export type TensorData = Uint8Array | { file: string; offset: number; bytes: number };

/**
 * Names the engine knows:
 * `embeddings.{word_embeddings,position_embeddings,token_type_embeddings}.weight`, `embeddings.LayerNorm.{weight,bias}`,
 * `embeddings_project.{weight,bias}` (when embeddingSize differs from hiddenSize), and for each layer N
 * `encoder.layer.N.attention.self.{query,key,value}.{weight,bias}`, `encoder.layer.N.attention.output.dense.{weight,bias}`,
 * `encoder.layer.N.attention.output.LayerNorm.{weight,bias}`, `encoder.layer.N.intermediate.dense.{weight,bias}`,
 * `encoder.layer.N.output.dense.{weight,bias}`, `encoder.layer.N.output.LayerNorm.{weight,bias}`;
 * heads: mono `linear.weight` [labels, hidden], `linear.bias` [labels], `bert_pool.0.{weight,bias}`;
 * electra_classification `classifier.dense.{weight,bias}`, `classifier.out_proj.{weight,bias}`;
 * bert_classification `pooler.dense.{weight,bias}`, `classifier.{weight,bias}`.
 */
export interface NamedTensor {
  name: string;
  dtype: Dtype;
  shape: number[];
  data: TensorData;
}

/** What the engine computes in; sums, softmax, LayerNorm statistics and the score head are float32 in both. */
export type ComputePrecision = 'float32' | 'bfloat16';

export interface ModelOptions {
  encoder: EncoderConfig;
  head: HeadConfig;
  /** What is asked for; a CPU without bf16 instructions computes in float32, see `NativeModel.precision`. */
  precision: ComputePrecision;
  /** Intra-op threads of the engine; 0 means physical cores or the cgroup's share. Process-wide. */
  threads: number;
}

export interface ScoreResult {
  /** [sequences], raw logits (log-probabilities for scoring `mono`), in the batch's order. */
  scores: Float32Array;
  /** Precision the batch really ran in. */
  precision: ComputePrecision;
  /** Rows multiplied, summed over all linear layers of encoder and head: proof that no padding was computed. */
  linearRows: number;
  /** Multiplications and additions of the linear layers (2 per multiply-add). */
  linearFlops: number;
  /** Seconds the engine thread spent on the batch. */
  seconds: number;
}

/** Stops a job between two layers of a block; the job's promise rejects with an error whose code is `aborted`. */
export interface CancelToken {
  cancel(): void;
}

export interface NativeModel {
  readonly precision: ComputePrecision;
  /** Bytes of weights held besides mapped files. */
  readonly weightBytes: number;
  /** Runs on the engine thread, jobs in order of their calls. Token ids and lengths are checked once per batch. */
  score(batch: PackedBatch, cancel?: CancelToken): Promise<ScoreResult>;
  /** Waits for jobs already posted, then frees the weights. Further calls reject. */
  close(): Promise<void>;
}

export interface EngineInfo {
  /** For example `2.13.0`. */
  libtorch: string;
  devices: string[];
  /** Flags that choose a code path, of: avx2, avx512f, avx512_bf16, avx512_vnni, amx_tile, amx_bf16, amx_int8. */
  cpuFeatures: string[];
  /** True when bf16 runs on instructions made for it. */
  bf16: boolean;
  threads: number;
  /** Bytes of weights held by all models of this process, mapped files not counted. */
  weightBytes: number;
}

export interface Binding {
  info(): EngineInfo;
  createModel(options: ModelOptions, tensors: NamedTensor[]): Promise<NativeModel>;
  createCancelToken(): CancelToken;
  /** GEMM rates of this machine in GFLOP/s for [m, k] x [k, n], best of `repeats`, at::linear on the engine thread. */
  gemmRate(shape: { m: number; n: number; k: number }, precision: ComputePrecision, repeats: number): Promise<number>;
}

declare const binding: Binding;
export default binding;
