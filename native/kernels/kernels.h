#pragma once

#include <cstdint>

namespace rank_distillm {

/// Type of a matrix product's operands. Sums are float32, of integers int32.
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

/// The last step of a product, done before its sums are stored. `none` and the activations are applied after scales and
/// bias. A slope multiplies the sums with the activation's derivative at GemmCall::pre_activation. `add` adds the sums
/// to the output.
enum class Epilogue : uint8_t { none, gelu, gelu_tanh, relu, gelu_slope, gelu_tanh_slope, relu_slope, add };

[[gnu::always_inline]] constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// A matrix in memory: row r begins at data + r · stride bytes. Where row_stride() made the stride, kernels may read
/// and write the slack after the columns up to whole vectors and panels; it holds zeros.
struct Rows {
  char* data = nullptr;
  int64_t stride = 0;

  char* row(int64_t r) const { return data + r * stride; }
  float* floats(int64_t r) const { return reinterpret_cast<float*>(row(r)); }
};

/// Room for every kernel's vectors and panels, plus one cache line: rows a multiple of 4 KiB apart would share one set
/// of the first-level cache, and a product would run at 0.4 of its rate.
constexpr int64_t row_stride(int64_t columns, int64_t bytes_each) {
  return round_up(columns, 32) * bytes_each / 64 * 64 + 64 + (32 * bytes_each % 64 != 0 ? 64 : 0);
}

/// Rows and weights of int8 products are rotated. The number of shares a rotation divides a row into, each of whole
/// vectors at every level; 0: rows of this size are not rotated.
[[gnu::always_inline]] constexpr int64_t rotated_shares(int64_t columns) {
  if (columns % 16 != 0) return 0;
  for (int64_t shares = 8; shares > 1; shares /= 2) {
    if (columns / 16 % shares == 0) return shares;
  }
  return 1;
}

/// A rotation multiplies with an orthogonal, symmetric matrix times the square root of this factor.
constexpr int64_t rotation_factor(int64_t columns) {
  const int64_t shares = rotated_shares(columns);
  return shares == 0 ? 1 : 8 * shares;
}

/// output [columns] = the rotated input [columns]; needs no slack.
struct RotateCall {
  int64_t columns = 0;
  const float* input = nullptr;
  float* output = nullptr;
};

constexpr int32_t max_int16 = 32767;

/// The Euclidean norm that rows and weights of an int16 product are scaled to before rounding, unless their largest
/// number would exceed max_int16. By Cauchy-Schwarz a sum of products is at most the product of the norms, and rounding
/// adds at most half the root of `in` to a norm, so no sum exceeds 32 bits. A number of root mean square size becomes
/// 2,364 for 384 inputs and 724 for 4,096.
[[gnu::always_inline]] inline float int16_norm(int64_t in) {
  constexpr float root = 46340.9F, float_errors = 1 - 1e-4F;
  return (root - __builtin_sqrtf(static_cast<float>(in)) / 2) * float_errors;
}

/// A row's integers represent (integer - zero_point) · scale. The zero point of int16 is 0; rows of int8 are rotated.
struct RowScale {
  float scale = 0;
  int32_t zero_point = 0;
};

/// Weights [out, in] as a product reads them: panels [⌈out / panel_width⌉, steps, panel_width] of 4-byte groups. A
/// group holds the 1 (float32), 2 (bf16, int16) or 4 (int8) weights of one output that one step multiplies.
struct PackedMatrix {
  const char* panels = nullptr;
  int64_t in = 0;
  int64_t out = 0;
  int64_t steps = 0;
  const float* bias = nullptr;           // [out, padded to whole panels], zeros if there is none
  const float* scales = nullptr;         // integers: [out, padded to whole panels], by output
  const int32_t* weight_sums = nullptr;  // int8: [out, padded to whole panels], factors of a row's zero point
};

/// output = epilogue(input · weightsᵀ + bias).
struct GemmCall {
  int64_t rows = 0;
  Rows input;                              // [rows, in] in the product's element type
  const RowScale* input_scales = nullptr;  // integers: [rows]
  PackedMatrix weights;
  Epilogue epilogue = Epilogue::none;
  Rows output;                                     // [rows, out]; `add` alone needs no slack after the columns
  ElementType output_type = ElementType::float32;  // float32 or bfloat16; `add`: float32
  uint64_t* epilogue_ticks = nullptr;              // the epilogue's time is added, in clock_ticks()
  Rows pre_activation = {};                        // [rows, out] as `output`: written by activations, read by slopes
};

/// Which values of a row are dropped: those whose random number is below the threshold. It is a function of these
/// numbers and of the value's column (Philox4x32-10, Salmon et al. 2011).
struct DropoutMask {
  uint32_t threshold = 0;  // 0: none
  float kept = 1;          // factor of the values that are kept
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t site = 0;  // where in the model; in attention the head from bit 18 on
  uint32_t pair = 0;
  uint32_t token = 0;

  bool active() const { return threshold > 0; }
};

/// Writes dropout's factors of a row's values.
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
  float* softmax = nullptr;  // null, or [queries, heads, 2]: each row's shift and inverse sum, for the backward
  DropoutMask dropout = {};  // of the first query and head
};

constexpr int64_t attention_scratch(int64_t keys, int64_t head_size) {
  const int64_t all_keys = round_up(keys, 64), width = round_up(head_size, 64);
  // Keys and values as panels; a row of dropout factors; for each of up to 32 queries its scores, weights and result,
  // each followed by a cache line.
  return 4 * (2 * all_keys * width + all_keys + 64 + 32 * (2 * (all_keys + 16) + width + 16));
}

/// The gradients of an AttentionCall's queries, keys and values, overwritten, from that of its output.
struct AttentionBackwardCall {
  int64_t queries = 0;
  int64_t keys = 0;
  int64_t heads = 0;
  int64_t head_size = 0;
  Rows query, key, value, gradient;  // `gradient` [queries, heads · head_size]
  const float* softmax = nullptr;    // [queries, heads, 2], from the forward
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

/// Packs rows as the weights of a product over the rows: for gradients of weights, or for transposed weights.
struct PackRowsCall {
  int64_t rows = 0;
  int64_t columns = 0;
  Rows input;  // [rows, columns], needs no slack
  ElementType input_type = ElementType::float32;
  Epilogue activation = Epilogue::none;     // applied before packing; no other epilogue
  ElementType type = ElementType::float32;  // float32 or bfloat16, of the panels
  char* panels = nullptr;                   // as PackedMatrix::panels
  int64_t steps = 0;                        // of each panel
  int64_t first = 0;                        // number of the first row among the rows in the panels; even
  int64_t zeros = 0;                        // rows of zeros after them
};

/// output [columns, …, rows at `first`, zeros] = inputᵀ.
struct TransposeCall {
  int64_t rows = 0;
  int64_t columns = 0;
  Rows input;  // [rows, columns], needs no slack
  ElementType type = ElementType::float32;
  Rows output;
  int64_t first = 0;
  int64_t zeros = 0;
};

/// A copy of float32 rows in the next product's type: bf16, or integers with their scales.
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

/// Only the copy, of rows that come from no norm. bf16 rows can be copied to float32.
struct ConvertCall {
  int64_t rows = 0;
  int64_t columns = 0;
  Rows input;
  ElementType input_type = ElementType::float32;  // float32 or bfloat16
  ComputeCopy copy;                               // of another type
};

/// The kernels of one instruction-set level. They use no library and access only the memory they are given.
struct Kernels {
  const char* level;
  int64_t panel_width;    // outputs of a panel
  int64_t step_multiple;  // steps of a panel are a multiple of this, the last ones zero
  bool signed_bytes;      // rows of int8 products are int8, otherwise uint8
  void (*gemm_float32)(const GemmCall&);
  void (*gemm_bfloat16)(const GemmCall&);  // slower than float32 without AVX512_BF16 or BFDOT
  void (*gemm_int16)(const GemmCall&);
  void (*gemm_int8)(const GemmCall&);  // slower than int16 without AVX512_VNNI or SDOT
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
  void (*release)();  // frees the tile registers; called after a thread's last product

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

/// The best level of this CPU.
const Kernels& kernels();

/// The same with all products on vectors, for weights that are packed alike.
const Kernels& kernels_without_tiles();

/// All levels of this CPU and this build, the lowest first, for tests.
int kernel_levels(const Kernels** levels, int most);

}  // namespace rank_distillm
