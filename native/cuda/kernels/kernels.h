#pragma once

#include <cstdint>
#include <stdexcept>

// The CUDA kernels' arguments: plain pointers into the device's memory and a stream. Each kernel's file begins with its
// idea, its layout and its reference; native/cuda/ops checks shapes and calls it.

namespace rank_distillm::cuda {

/// A cudaStream_t, which code without CUDA's headers cannot name.
using Stream = void*;

/// Thrown when a kernel's launch runs out of memory.
class OutOfMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Type : uint8_t { float32, bfloat16 };

enum class Activation : uint8_t { gelu, gelu_tanh, relu };

/// Dropout of rows by Philox4x32-10, keyed as on the CPU (ops/dropout.h).
struct DropRows {
  uint32_t threshold = 0;  // a value is dropped if its number is below; 0: none is
  float kept = 1;          // the factor of a value that is kept
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t site = 0;                // and layer
  const int32_t* pairs = nullptr;   // [rows]
  const int32_t* tokens = nullptr;  // [rows]
};

/// exact = LayerNorm(residual + dropout(branch)), and its copy in the type of the products.
struct NormForward {
  int64_t rows = 0;
  int columns = 0;
  const void* branch = nullptr;  // [rows, columns] of `compute`
  Type compute = Type::float32;
  const void* residual = nullptr;  // [rows, columns] of `stream`
  Type stream = Type::float32;
  const float* weight = nullptr;  // [columns]
  const float* bias = nullptr;    // [columns]
  float eps = 0;
  DropRows dropout;
  void* exact = nullptr;       // [rows, columns] of `stream`; may be `residual`
  void* copy = nullptr;        // [rows, columns] of `compute`; null if the types are the same
  void* normalized = nullptr;  // [rows, columns] of `compute`, for the backward; or null
  float* scale = nullptr;      // [rows], 1 / standard deviation, for the backward; or null
};
void norm_forward(const NormForward& call, Stream stream);

/// The gradient of the output, `gradient` + `more`, becomes that of the residual in `gradient`, and through the mask
/// that of the branch. `sums` [parts, 2, columns] are overwritten with parts of the gradients of weight and bias.
struct NormBackward {
  int64_t rows = 0;
  int columns = 0;
  float* gradient = nullptr;         // [rows, columns]
  const void* more = nullptr;        // [rows, columns] of `compute`; or null
  const void* normalized = nullptr;  // [rows, columns] of `compute`
  Type compute = Type::float32;
  const float* scale = nullptr;   // [rows]
  const float* weight = nullptr;  // [columns]
  DropRows dropout;
  void* branch = nullptr;  // [rows, columns] of `compute`; or null if the residual's gradient is the branch's
  float* sums = nullptr;
  int parts = 0;
};
void norm_backward(const NormBackward& call, Stream stream);
/// Largest number of columns of a norm's kernel.
constexpr int max_norm_columns = 4096;

/// exact = dropout(LayerNorm(word + position + type)).
struct EmbeddingForward {
  int64_t tokens = 0;
  int columns = 0;
  const int32_t* ids = nullptr;        // [tokens]
  const int32_t* positions = nullptr;  // [tokens]
  const int32_t* types = nullptr;      // [tokens]
  const float* word = nullptr;         // [vocabulary, columns]
  const float* position = nullptr;     // [positions, columns]
  const float* type = nullptr;         // [types, columns]
  const float* weight = nullptr;       // [columns]
  const float* bias = nullptr;         // [columns]
  float eps = 0;
  DropRows dropout;
  Type compute = Type::float32, stream = Type::float32;
  void* exact = nullptr;       // [tokens, columns] of `stream`
  void* copy = nullptr;        // of `compute`; null if the types are the same
  void* normalized = nullptr;  // of `compute`; or null
  float* scale = nullptr;      // [tokens]; or null
};
void embedding_forward(const EmbeddingForward& call, Stream stream);

/// values [rows, columns] *= factors.
void drop_rows(float* values, int64_t rows, int columns, const DropRows& dropout, Stream stream);

/// output = activation(input); may be the same memory.
struct ActivationForward {
  int64_t count = 0;
  Type type = Type::float32;
  Activation activation = Activation::gelu;
  const void* input = nullptr;
  void* output = nullptr;
};
void activation_forward(const ActivationForward& call, Stream stream);

/// output = gradient · activation'(before); may be `gradient`.
struct ActivationBackward {
  int64_t count = 0;
  Type type = Type::float32;
  Activation activation = Activation::gelu;
  const void* before = nullptr;
  const void* gradient = nullptr;
  void* output = nullptr;
};
void activation_backward(const ActivationBackward& call, Stream stream);

/// Rows of heads side by side.
struct HeadRows {
  const void* data = nullptr;
  int64_t stride = 0;  // elements from row to row
};

struct HeadRowsOut {
  void* data = nullptr;
  int64_t stride = 0;
};

/// Queries or keys that one block of threads takes.
constexpr int attention_tile = 64;
/// Of the kernels on tensor cores; larger heads are computed in float32's kernel.
constexpr int max_tensor_core_head = 128;

/// Attention of packed sequences. Queries of sequence s are rows [query_offsets[s], query_offsets[s + 1]), its keys
/// rows [key_offsets[s], key_offsets[s + 1]). A tile is a sequence and the first of up to 64 of its rows.
struct AttentionShape {
  int heads = 0;
  int head_size = 0;
  const int32_t* query_offsets = nullptr;  // [sequences + 1]
  const int32_t* key_offsets = nullptr;    // [sequences + 1]
  const int32_t* query_tiles = nullptr;    // [query_tile_count, 2]
  const int32_t* key_tiles = nullptr;      // [key_tile_count, 2]
  int query_tile_count = 0;
  int key_tile_count = 0;
  DropRows dropout;  // `pairs` by sequence [sequences]; `site` that of the first head
};

/// context = dropout(softmax(Q Kᵀ / √d)) V.
struct AttentionForward {
  AttentionShape shape;
  Type type = Type::float32;
  HeadRows query, key, value;
  HeadRowsOut context;
  float* log_sums = nullptr;  // [queries, heads], log Σ exp of the scaled scores, for the backward; or null
};
void attention_forward(const AttentionForward& call, Stream stream);

struct AttentionBackward {
  AttentionShape shape;
  Type type = Type::float32;
  HeadRows query, key, value;
  HeadRows context;   // of the forward
  HeadRows gradient;  // that of the context
  const float* log_sums = nullptr;
  float* delta = nullptr;                                    // [queries, heads], overwritten: Σ context · gradient
  HeadRowsOut query_gradient, key_gradient, value_gradient;  // overwritten
};
void attention_backward(const AttentionBackward& call, Stream stream);

}  // namespace rank_distillm::cuda
