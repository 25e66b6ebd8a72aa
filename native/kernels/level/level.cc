// All kernels of one instruction-set level. CMake compiles this file once per level with that level's flags and name.

#include <type_traits>

#include "kernels/kernels.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {
#if defined(__AMX_TILE__)
constexpr int64_t step_multiple = 16;
#else
constexpr int64_t step_multiple = 1;
#endif
}  // namespace rank_distillm::RANK_DISTILLM_LEVEL

#include "kernels/level/attention.h"
#include "kernels/level/gemm.h"
#include "kernels/level/rows.h"
#include "kernels/level/tile_product.h"

#define RD_TEXT_OF(word) #word
#define RD_TEXT(word) RD_TEXT_OF(word)

namespace rank_distillm::RANK_DISTILLM_LEVEL {

#if defined(__AMX_TILE__)
template <class Dot>
using Narrow = OnTiles<Dot>;
static void release() { _tile_release(); }
#else
template <class Dot>
using Narrow = OnVectors<Dot>;
static void release() {}
#endif

#if defined(__AVX512BF16__)
constexpr auto gemm_bfloat16 = gemm<Narrow<BFloat16>>;
constexpr auto attention_bfloat16 = attention<Narrow<BFloat16>, BFloat16>;
#else
constexpr void (*gemm_bfloat16)(const GemmCall&) = nullptr;
constexpr void (*attention_bfloat16)(const AttentionCall&) = nullptr;
#endif

extern const Kernels table;
const Kernels table = {
    .level = RD_TEXT(RANK_DISTILLM_LEVEL),
    .panel_width = panel_width,
    .step_multiple = step_multiple,
    .int8_bytes = sizeof(Int8::Number),
    .gemm_float32 = gemm<OnVectors<Float32>>,
    .gemm_bfloat16 = gemm_bfloat16,
    .gemm_int8 = gemm<Narrow<Int8>>,
    .attention_float32 = attention<OnVectors<Float32>, Float32>,
    .attention_bfloat16 = attention_bfloat16,
    .residual_norm = residual_norm,
    .embed = embed,
    .convert = convert,
    .release = release,
};

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
