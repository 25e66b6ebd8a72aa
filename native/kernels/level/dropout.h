#pragma once

// Dropout's factors from Philox4x32-10 (Salmon et al. 2011). A mask depends only on its row's numbers, so a row that is
// recomputed, in another batch or after a resume, gets the same mask. A vector holds one word of as many counters as it
// has lanes: 0.6 ns per number on AVX2 instead of 6 with loops that the compiler vectorizes.

#include "kernels/kernels.h"
#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Independent vectors of counters, to hide the latency of the multiplications.
constexpr int chains = 2;

/// The high and low halves of the 64-bit products x · factor.
RD_INLINE void multiply_wide(U x, uint32_t factor, U& high, U& low) {
  using Wide = uint64_t __attribute__((vector_size(4 * lanes)));
  const auto product = [factor](Wide even) __attribute__((always_inline)) {
    const U factors = factor - U{};
    // The masked form: GCC 12 warns of an uninitialized value in the unmasked one.
#if defined(__AVX512F__)
    const auto result = _mm512_maskz_mul_epu32(0xff, load_as<__m512i>(&even), load_as<__m512i>(&factors));
#elif defined(__aarch64__)
    const auto result = vmull_u32(vmovn_u64(uint64x2_t(even)), vget_low_u32(uint32x4_t(factors)));
#elif defined(__AVX2__)
    const auto result = _mm256_mul_epu32(load_as<__m256i>(&even), load_as<__m256i>(&factors));
#else
    const auto result = _mm_mul_epu32(load_as<__m128i>(&even), load_as<__m128i>(&factors));
#endif
    return load_as<Wide>(&result);
  };
  const auto wide = load_as<Wide>(&x);
  const Wide even = product(wide), odd = product(wide >> 32);
  const Wide highs = (even >> 32) | (odd & 0xffffffff00000000), lows = (even & 0xffffffff) | (odd << 32);
  high = load_as<U>(&highs);
  low = load_as<U>(&lows);
}

/// Alternates the lanes of a and b, starting at lane `first`.
template <int first>
RD_INLINE U zip(U a, U b) {
  return [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    return __builtin_shufflevector(a, b, (first + i / 2 + i % 2 * lanes)...);
  }(std::make_integer_sequence<int, lanes>{});
}

/// Writes the factors of a row of `columns` values.
static void drop_factors(const DropoutMask& mask, int64_t columns, float* factors) {
  constexpr int64_t numbers = int64_t{4} * lanes * chains;
  constexpr uint32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  alignas(64) float last[numbers];
  for (int64_t begin = 0; begin < columns; begin += numbers) {
    U a[chains], b[chains], c[chains], d[chains];
    unroll<chains>([&](auto chain) __attribute__((always_inline)) {
      a[chain] = load_as<U>(index) + static_cast<uint32_t>(begin / 4 + chain * lanes);
      b[chain] = mask.token - U{};
      c[chain] = mask.pair - U{};
      d[chain] = mask.site - U{};
    });
    uint32_t key0 = mask.seed, key1 = mask.step;
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9, key1 += 0xBB67AE85) {
      unroll<chains>([&](auto chain) __attribute__((always_inline)) {
        U first_high, first_low, second_high, second_low;
        multiply_wide(a[chain], 0xD2511F53, first_high, first_low);
        multiply_wide(c[chain], 0xCD9E8D57, second_high, second_low);
        a[chain] = second_high ^ b[chain] ^ key0;
        b[chain] = second_low;
        c[chain] = first_high ^ d[chain] ^ key1;
        d[chain] = first_low;
      });
    }
    // A counter's four numbers are for four neighbouring values.
    float* const to = begin + numbers <= columns ? factors + begin : last;
    unroll<chains>([&](auto chain) __attribute__((always_inline)) {
      const U ac[] = {zip<0>(a[chain], c[chain]), zip<lanes / 2>(a[chain], c[chain])};
      const U bd[] = {zip<0>(b[chain], d[chain]), zip<lanes / 2>(b[chain], d[chain])};
      unroll<4>([&](auto part) __attribute__((always_inline)) {
        const U drawn = zip<part % 2 * lanes / 2>(ac[part / 2], bd[part / 2]);
        store(to + (chain * 4 + part) * lanes, drawn < mask.threshold ? F{} : broadcast(mask.kept));
      });
    });
    if (to == last) std::memcpy(factors + begin, last, (columns - begin) * sizeof(float));
  }
}

static void dropout(const DropoutCall& call) { drop_factors(call.mask, call.columns, call.factors); }

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
