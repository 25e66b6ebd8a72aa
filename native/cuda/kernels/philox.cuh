#pragma once

// Dropout's factors from Philox4x32-10 (Salmon et al. 2011), as the CPU draws them (kernels/level/dropout.h): a mask is
// a function of its row's numbers alone.

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.cuh"

namespace rank_distillm::cuda {

/// A row's mask: the key and counter of its random numbers.
struct RowMask {
  uint32_t token;
  uint32_t pair;
};

RD_DEVICE uint32_t high_product(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__)
  return __umulhi(a, b);
#else
  return static_cast<uint32_t>((static_cast<uint64_t>(a) * b) >> 32);
#endif
}

/// Whether columns 4 · group to 4 · group + 3 are kept, in bits 0 to 3; `head` counts in attention only.
RD_DEVICE uint32_t kept_columns(const DropRows& dropout, RowMask row, uint32_t head, uint32_t group) {
  uint32_t counter[4] = {group, row.token, row.pair, dropout.site + (head << 18)};
  uint32_t key0 = dropout.seed, key1 = dropout.step;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t first_high = high_product(0xD2511F53U, counter[0]), first_low = 0xD2511F53U * counter[0];
    const uint32_t second_high = high_product(0xCD9E8D57U, counter[2]), second_low = 0xCD9E8D57U * counter[2];
    counter[0] = second_high ^ counter[1] ^ key0;
    counter[1] = second_low;
    counter[2] = first_high ^ counter[3] ^ key1;
    counter[3] = first_low;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  uint32_t kept = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) kept |= (counter[i] < dropout.threshold ? 0U : 1U) << i;
  return kept;
}

/// The same as factors.
RD_DEVICE void drop_factors(const DropRows& dropout, RowMask row, uint32_t head, uint32_t group, float (&factors)[4]) {
  const uint32_t kept = kept_columns(dropout, row, head, group);
#pragma unroll
  for (int i = 0; i < 4; ++i) factors[i] = (kept >> i & 1) != 0 ? dropout.kept : 0.0F;
}

RD_DEVICE RowMask mask_of_row(const DropRows& dropout, int64_t row) {
  return {static_cast<uint32_t>(dropout.tokens[row]), static_cast<uint32_t>(dropout.pairs[row])};
}

/// Eight values from `column` on, a multiple of eight, through the mask.
RD_DEVICE void drop_eight(const DropRows& dropout, RowMask row, int column, float (&values)[8]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float factors[4];
    drop_factors(dropout, row, 0, static_cast<uint32_t>(column / 4 + half), factors);
#pragma unroll
    for (int i = 0; i < 4; ++i) values[4 * half + i] *= factors[i];
  }
}

}  // namespace rank_distillm::cuda
