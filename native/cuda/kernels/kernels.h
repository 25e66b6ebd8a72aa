#pragma once

#include <cstdint>

// What the CUDA kernels are called with: plain pointers into the device's memory and a stream. Each kernel has its
// idea, its layout and its plain version's place at its head; native/cuda/ops checks shapes and calls it.

namespace rank_distillm::cuda {

/// A cudaStream_t, which code without CUDA's headers cannot name.
using Stream = void*;

enum class Type : uint8_t { float32, bfloat16 };

enum class Activation : uint8_t { gelu, gelu_tanh, relu };

/// Dropout of rows by Philox4x32-10, keyed as on the CPU (ops/dropout.h).
struct DropRows {
  uint32_t threshold = 0;  // a value is dropped where its number is below; 0: none is
  float kept = 1;          // what a value that stays is multiplied with
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t place = 0;               // site and layer
  const int32_t* pairs = nullptr;   // [rows]
  const int32_t* tokens = nullptr;  // [rows]
};

/// exact = LayerNorm(residual + dropout(branch)), and its copy in the type of the products.
struct NormForward {
  int64_t rows;
  int columns;
  const void* branch;  // [rows, columns] of `compute`
  Type compute;
  const void* residual;  // [rows, columns] of `stream`
  Type stream;
  const float* weight;  // [columns]
  const float* bias;    // [columns]
  float eps;
  DropRows dropout;
  void* exact;       // [rows, columns] of `stream`; may be `residual`
  void* copy;        // [rows, columns] of `compute`; null where the types are the same
  void* normalized;  // [rows, columns] of `compute`, for the backward; or null
  float* scale;      // [rows], 1 / standard deviation, for the backward; or null
};
void norm_forward(const NormForward& call, Stream stream);

/// The gradient of the output, `gradient` + `more`, becomes that of the residual in `gradient`, and through the mask
/// that of the branch. `sums` [parts, 2, columns] are overwritten with parts of the gradients of weight and bias.
struct NormBackward {
  int64_t rows;
  int columns;
  float* gradient;         // [rows, columns]
  const void* more;        // [rows, columns] of `compute`; or null
  const void* normalized;  // [rows, columns] of `compute`
  Type compute;
  const float* scale;   // [rows]
  const float* weight;  // [columns]
  DropRows dropout;
  void* branch;  // [rows, columns] of `compute`; or null where the residual's gradient is the branch's
  float* sums;
  int parts;
};
void norm_backward(const NormBackward& call, Stream stream);
/// Columns that a norm's kernel has room for.
constexpr int most_norm_columns = 4096;

/// exact = dropout(LayerNorm(word + position + type)).
struct EmbeddingForward {
  int64_t tokens;
  int columns;
  const int32_t* ids;        // [tokens]
  const int32_t* positions;  // [tokens]
  const int32_t* types;      // [tokens]
  const float* word;         // [vocabulary, columns]
  const float* position;     // [positions, columns]
  const float* type;         // [types, columns]
  const float* weight;       // [columns]
  const float* bias;         // [columns]
  float eps;
  DropRows dropout;
  Type compute, stream;
  void* exact;       // [tokens, columns] of `stream`
  void* copy;        // of `compute`; null where the types are the same
  void* normalized;  // of `compute`; or null
  float* scale;      // [tokens]; or null
};
void embedding_forward(const EmbeddingForward& call, Stream stream);

/// values [rows, columns] *= factors.
void drop_rows(float* values, int64_t rows, int columns, const DropRows& dropout, Stream stream);

/// output = activation(input); may be the same memory.
struct ActivationForward {
  int64_t count;
  Type type;
  Activation activation;
  const void* input;
  void* output;
};
void activation_forward(const ActivationForward& call, Stream stream);

/// output = gradient · activation'(before); may be `gradient`.
struct ActivationBackward {
  int64_t count;
  Type type;
  Activation activation;
  const void* before;
  const void* gradient;
  void* output;
};
void activation_backward(const ActivationBackward& call, Stream stream);

/// Rows of heads side by side.
struct HeadRows {
  const void* data;
  int64_t stride;  // elements from row to row
};

struct HeadRowsOut {
  void* data;
  int64_t stride;
};

/// Queries or keys that one block of threads takes.
constexpr int attention_tile = 64;
/// Of the kernels on tensor cores; larger heads are computed in float32's kernel.
constexpr int most_tensor_core_head = 128;

/// Attention of packed sequences. Queries of sequence s are rows [query_offsets[s], query_offsets[s + 1]), its keys
/// rows [key_offsets[s], key_offsets[s + 1]). A tile is a sequence and the first of up to 64 of its rows.
struct AttentionShape {
  int heads;
  int head_size;
  const int32_t* query_offsets;  // [sequences + 1]
  const int32_t* key_offsets;    // [sequences + 1]
  const int32_t* query_tiles;    // [query_tile_count, 2]
  const int32_t* key_tiles;      // [key_tile_count, 2]
  int query_tile_count;
  int key_tile_count;
  DropRows dropout;  // `pairs` by sequence [sequences]; `place` that of the first head
};

/// context = dropout(softmax(Q Kᵀ / √d)) V.
struct AttentionForward {
  AttentionShape shape;
  Type type;
  HeadRows query, key, value;
  HeadRowsOut context;
  float* log_sums;  // [queries, heads], log Σ exp of the scaled scores, for the backward; or null
};
void attention_forward(const AttentionForward& call, Stream stream);

struct AttentionBackward {
  AttentionShape shape;
  Type type;
  HeadRows query, key, value;
  HeadRows context;   // of the forward
  HeadRows gradient;  // that of the context
  const float* log_sums;
  float* along;                                              // [queries, heads], overwritten: Σ context · gradient
  HeadRowsOut query_gradient, key_gradient, value_gradient;  // overwritten
};
void attention_backward(const AttentionBackward& call, Stream stream);

}  // namespace rank_distillm::cuda
