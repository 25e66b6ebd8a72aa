#pragma once

#include <cstdint>

namespace rank_distillm {

/// What a matrix product multiplies. Sums are float32, or int32 of integers.
enum class ElementType : uint8_t { float32, bfloat16, int16, int8 };

inline const char* name_of(ElementType type) {
  switch (type) {
    case ElementType::bfloat16:
      return "bfloat16";
    case ElementType::int16:
      return "int16";
    case ElementType::int8:
      return "int8";
    case ElementType::float32:
      break;
  }
  return "float32";
}

[[gnu::always_inline]] constexpr bool are_integers(ElementType type) {
  return type == ElementType::int16 || type == ElementType::int8;
}

[[gnu::always_inline]] constexpr int64_t element_bytes(ElementType type) {
  return type == ElementType::float32 ? 4 : type == ElementType::int8 ? 1 : 2;
}

/// What happens to a product's sums before they are stored. `none` and activations come after scales and bias. A slope
/// is that of the activation at GemmCall::pre_activation, which the sums are multiplied with. `add` adds them to the
/// output.
enum class Epilogue : uint8_t { none, gelu, gelu_tanh, relu, gelu_slope, gelu_tanh_slope, relu_slope, add };

[[gnu::always_inline]] constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// A matrix in memory: row r begins at data + r · stride bytes. Made by row_stride(), whose slack kernels may read and
/// write up to whole vectors and panels; what lies there beyond the columns is zero.
struct Rows {
  char* data = nullptr;
  int64_t stride = 0;

  char* row(int64_t r) const { return data + r * stride; }
  float* floats(int64_t r) const { return reinterpret_cast<float*>(row(r)); }
};

/// Room for every kernel's vectors and panels, and one cache line more: rows whose distance is a multiple of 4 KiB
/// would share one set of the near cache (a product's rate falls to 0.4 of what it is).
constexpr int64_t row_stride(int64_t columns, int64_t bytes_each) {
  return round_up(columns, 32) * bytes_each / 64 * 64 + 64 + (32 * bytes_each % 64 != 0 ? 64 : 0);
}

/// Rows and weights of int8 products are rotated. Into how many shares that cuts a row, each of which is whole vectors
/// at every level; 0: it leaves the row as it is.
[[gnu::always_inline]] constexpr int64_t rotated_shares(int64_t columns) {
  if (columns % 16 != 0) return 0;
  for (int64_t shares = 8; shares > 1; shares /= 2) {
    if (columns / 16 % shares == 0) return shares;
  }
  return 1;
}

/// A rotation multiplies with an orthogonal and symmetric matrix times the root of this.
constexpr int64_t rotation_factor(int64_t columns) {
  const int64_t shares = rotated_shares(columns);
  return shares == 0 ? 1 : 8 * shares;
}

/// output [columns] = the rotated input [columns], no slack needed.
struct RotateCall {
  int64_t columns = 0;
  const float* input = nullptr;
  float* output = nullptr;
};

constexpr int32_t max_int16 = 32767;

/// The Euclidean norm that rows and weights of an int16 product have before they are rounded, unless their greatest
/// number would go beyond max_int16. Roundings add half the root of `in` at most, so no sum of products, their own
/// norms' product at most (Cauchy-Schwarz), goes beyond 32 bits. Numbers of the mean size become 2,364 for 384 inputs,
/// 724 for 4,096.
[[gnu::always_inline]] inline float int16_norm(int64_t in) {
  constexpr float root = 46340.9F, float_errors = 1 - 1e-4F;
  return (root - __builtin_sqrtf(static_cast<float>(in)) / 2) * float_errors;
}

/// What a row's integers stand for: (integer - zero) · scale. Of int16 zero is 0, of int8 the row is rotated.
struct RowScale {
  float scale = 0;
  int32_t zero_point = 0;
};

/// Weights [out, in] as a product reads them: panels [⌈out / panel_width⌉, steps, panel_width] of 4-byte groups, a
/// group being the 1 (float32), 2 (bf16, int16) or 4 (int8) weights of one output that are multiplied in one step.
struct PackedMatrix {
  const char* panels = nullptr;
  int64_t in = 0;
  int64_t out = 0;
  int64_t steps = 0;
  const float* bias = nullptr;           // [out up to whole panels], zero where there is none
  const float* scales = nullptr;         // integers: [out up to whole panels], what an output's are multiples of
  const int32_t* weight_sums = nullptr;  // int8: [out up to whole panels], what a row's zero is multiplied with
};

/// output = end(input · weightsᵀ + bias).
struct GemmCall {
  int64_t rows = 0;
  Rows input;                              // [rows, in] in the product's element type
  const RowScale* input_scales = nullptr;  // integers: [rows]
  PackedMatrix weights;
  Epilogue epilogue = Epilogue::none;
  Rows output;                                     // [rows, out]; `add` alone needs no slack behind the columns
  ElementType output_type = ElementType::float32;  // float32 or bfloat16; `add`: float32
  uint64_t* epilogue_ticks = nullptr;              // time spent in `end` is added, in ticks of the time-stamp counter
  Rows pre_activation = {};                        // [rows, out] as `output`: written by activations, read by slopes
};

/// Which values of a row are dropped: those whose draw, a function of all these numbers and the value's place in its
/// row, lies below the threshold (Philox4x32-10, Salmon et al. 2011).
struct DropoutMask {
  uint32_t threshold = 0;  // 0: none
  float kept = 1;          // the factor of the values that stay
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t site = 0;  // of the row in the model; the head in the bits from 18 on
  uint32_t pair = 0;
  uint32_t token = 0;

  bool active() const { return threshold > 0; }
};

/// Writes the factors of a row's values.
struct DropoutCall {
  DropoutMask mask;
  int64_t columns = 0;
  float* factors = nullptr;
};

/// dropout(softmax(Q Kᵀ / √head_size)) V of one sequence, all heads.
struct AttentionCall {
  int64_t queries = 0;
  int64_t keys = 0;
  int64_t heads = 0;
  int64_t head_size = 0;
  Rows query;                // [queries, heads · head_size], all in the call's element type
  Rows key;                  // [keys, heads · head_size]
  Rows value;                // [keys, heads · head_size]
  Rows output;               // [queries, heads · head_size]
  char* scratch = nullptr;   // attention_scratch() bytes at a multiple of 64
  float* softmax = nullptr;  // null, or [queries, heads, 2]: each row's shift and the inverse of its sum, for backward
  DropoutMask dropout = {};  // of the first query and head
};

constexpr int64_t attention_scratch(int64_t keys, int64_t head_size) {
  const int64_t all_keys = round_up(keys, 64), width = round_up(head_size, 64);
  // Keys and values as panels; a row of dropout factors; for each of up to 32 queries its scores, its weights and its
  // result, a cache line behind each.
  return 4 * (2 * all_keys * width + all_keys + 64 + 32 * (2 * (all_keys + 16) + width + 16));
}

/// The gradients of an AttentionCall's queries, keys and values, overwritten, from that of its output.
struct AttentionBackwardCall {
  int64_t queries = 0;
  int64_t keys = 0;
  int64_t heads = 0;
  int64_t head_size = 0;
  Rows query, key, value, gradient;  // `gradient` [queries, heads · head_size]
  const float* softmax = nullptr;    // [queries, heads, 2], as the forward left it
  DropoutMask dropout;               // as in the forward
  Rows query_gradient, key_gradient, value_gradient;
  char* scratch = nullptr;  // attention_backward_scratch() bytes at a multiple of 64
};

constexpr int64_t attention_backward_scratch(int64_t keys, int64_t head_size) {
  const int64_t all_keys = round_up(keys, 64), width = round_up(head_size, 64);
  // Three panels of keys or values and the sums of their gradients; weights and slopes by query and by key; two panels
  // of queries, a row of dropout factors and the queries' gradients.
  constexpr int64_t queries = 32;
  return 4 * (3 * all_keys * width + 2 * all_keys * (width + 16) + 4 * queries * (all_keys + 32) + 2 * all_keys * 48 +
              2 * queries * width + all_keys + 64 + queries * (width + 16));
}

/// Rows as the weights of a product whose steps are the rows: those of a gradient of weights, or weights the other way
/// round.
struct PackRowsCall {
  int64_t rows = 0;
  int64_t columns = 0;
  Rows input;  // [rows, columns], no slack needed
  ElementType input_type = ElementType::float32;
  Epilogue activation = Epilogue::none;     // applied before packing; no other epilogue
  ElementType type = ElementType::float32;  // float32 or bfloat16, of the panels
  char* panels = nullptr;                   // as PackedMatrix::panels
  int64_t steps = 0;                        // of each panel
  int64_t first = 0;                        // the first row's number among all rows that the panels hold, even
  int64_t zeros = 0;                        // rows of zeros that follow
};

/// output [columns, …, rows at `first`, zeros] = inputᵀ.
struct TransposeCall {
  int64_t rows = 0;
  int64_t columns = 0;
  Rows input;  // [rows, columns], no slack needed
  ElementType type = ElementType::float32;
  Rows output;
  int64_t first = 0;
  int64_t zeros = 0;
};

/// Integers and their scales, or another copy of a float32 row in the type that the next product multiplies.
struct ComputeCopy {
  ElementType type = ElementType::float32;  // float32: no copy
  Rows rows;
  RowScale* scales = nullptr;  // integers: [rows]
  float* rotated = nullptr;    // int8: room for a row
};

struct NormWeights {
  const float* weight = nullptr;  // [columns up to a multiple of 16], then zeros
  const float* bias = nullptr;
  float eps = 0;
};

/// exact = layer_norm(branch + residual), all [rows, columns] float32; `exact` may be `residual`.
struct NormCall {
  int64_t rows = 0;
  int64_t columns = 0;
  Rows branch;
  Rows residual;
  NormWeights norm;
  Rows exact;
  ComputeCopy copy;
};

/// exact = layer_norm(word + position + type) for the tokens of one sequence.
struct EmbedCall {
  int64_t tokens = 0;
  int64_t columns = 0;
  const int32_t* ids = nullptr;
  const uint8_t* types = nullptr;
  const float* words = nullptr;      // [vocabulary, columns], unpadded
  const float* positions = nullptr;  // [positions, columns], unpadded
  const float* type_rows = nullptr;  // [types, columns], unpadded
  NormWeights norm;
  Rows exact;
  ComputeCopy copy;
};

/// The copy alone, of rows that no norm has made; for bf16 rows, float32 is one, too.
struct ConvertCall {
  int64_t rows = 0;
  int64_t columns = 0;
  Rows input;
  ElementType input_type = ElementType::float32;  // float32 or bfloat16
  ComputeCopy copy;                               // in another type
};

/// The kernels of one level of instruction sets. They use no library and touch no memory but what they are given.
struct Kernels {
  const char* level;
  int64_t panel_width;    // outputs of a panel
  int64_t step_multiple;  // steps of a panel are a multiple of this, the last ones zero
  void (*gemm_float32)(const GemmCall&);
  void (*gemm_bfloat16)(const GemmCall&);  // slower than float32 below AVX512_BF16
  void (*gemm_int16)(const GemmCall&);
  void (*gemm_int8)(const GemmCall&);  // slower than int16 below AVX512_VNNI
  void (*attention_float32)(const AttentionCall&);
  void (*attention_bfloat16)(const AttentionCall&);
  void (*attention_backward_float32)(const AttentionBackwardCall&);
  void (*attention_backward_bfloat16)(const AttentionBackwardCall&);
  void (*residual_norm)(const NormCall&);
  void (*embed)(const EmbedCall&);
  void (*convert)(const ConvertCall&);
  void (*rotate)(const RotateCall&);
  void (*dropout)(const DropoutCall&);
  void (*pack_rows)(const PackRowsCall&);
  void (*transpose)(const TransposeCall&);
  void (*release)();  // after a thread's last product, before it rests: gives the tile registers back

  /// The kernels of operands of this type.
  void (*product_of(ElementType type) const)(const GemmCall&) {
    switch (type) {
      case ElementType::bfloat16:
        return gemm_bfloat16;
      case ElementType::int16:
        return gemm_int16;
      case ElementType::int8:
        return gemm_int8;
      case ElementType::float32:
        break;
    }
    return gemm_float32;
  }

  /// float32 or bfloat16.
  void (*attention_of(ElementType type) const)(const AttentionCall&) {
    return type == ElementType::bfloat16 ? attention_bfloat16 : attention_float32;
  }
  void (*attention_backward_of(ElementType type) const)(const AttentionBackwardCall&) {
    return type == ElementType::bfloat16 ? attention_backward_bfloat16 : attention_backward_float32;
  }
};

/// The best level of this CPU, chosen once.
const Kernels& kernels();

/// Every level that this CPU and this build have, least first; tests run them all.
int kernel_levels(const Kernels** levels, int most);

}  // namespace rank_distillm
