// All kernels of one instruction-set level. CMake compiles this file once per level, with the level's flags and name.

#include <type_traits>

#include "kernels/kernels.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {
#if defined(__AMX_TILE__)
constexpr int64_t step_multiple = 16;
#else
constexpr int64_t step_multiple = 1;
#endif
}  // namespace rank_distillm::RANK_DISTILLM_LEVEL

#include "kernels/level/attention_backward.h"
#include "kernels/level/gemm.h"
#include "kernels/level/packing.h"
#include "kernels/level/rows.h"
#include "kernels/level/tile_product.h"

#define RD_TEXT_OF(word) #word
#define RD_TEXT(word) RD_TEXT_OF(word)

namespace rank_distillm::RANK_DISTILLM_LEVEL {

#if defined(__AMX_TILE__)
template <class Dot>
using Narrow = TileProduct<Dot>;
static void release() { _tile_release(); }
#else
template <class Dot>
using Narrow = VectorProduct<Dot>;
static void release() {}
#endif

/// @tparam Product of bf16 and bytes
template <template <class> class Product>
static constexpr Kernels kernels_by(const char* level) {
  return {
      .level = level,
      .panel_width = panel_width,
      .step_multiple = step_multiple,
      .signed_bytes = byte_offset != 0,
      .gemm_float32 = gemm<VectorProduct<Float32>>,
      .gemm_bfloat16 = gemm<Product<BFloat16>>,
      .gemm_int16 = gemm<VectorProduct<Int16>>,
      .gemm_int8 = gemm<Product<Int8>>,
      .attention_float32 = attention<VectorProduct<Float32>, Float32>,
      .attention_bfloat16 = attention<Product<BFloat16>, BFloat16>,
      .attention_backward_float32 = attention_backward<VectorProduct<Float32>, Float32>,
      .attention_backward_bfloat16 = attention_backward<Product<BFloat16>, BFloat16>,
      .residual_norm = residual_norm,
      .embed = embed,
      .convert = convert,
      .rotate = rotate,
      .dropout = dropout,
      .pack_rows = pack_rows,
      .transpose = transpose,
      .release = release,
  };
}

extern const Kernels table;
constexpr Kernels table = kernels_by<Narrow>(RD_TEXT(RANK_DISTILLM_LEVEL));
#if defined(__AMX_TILE__)
extern const Kernels table_of_vectors;
constexpr Kernels table_of_vectors = kernels_by<VectorProduct>(RD_TEXT(RANK_DISTILLM_LEVEL) "_vectors");
#endif

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
