#pragma once

// Tensor cores as PTX gives them to a warp since sm_80: mma.sync m16n8k16 on bfloat16 with float32 sums, and ldmatrix
// with transposition. With g = lane / 4 and t = lane % 4 a lane holds
//   of A [16, 16]: rows g and g + 8 at columns 2t, 2t + 1 (words 0, 1) and 2t + 8, 2t + 9 (words 2, 3);
//   of B [16, 8]: rows 2t, 2t + 1 (word 0) and 2t + 8, 2t + 9 (word 1) of column g;
//   of C [16, 8]: row g at columns 2t, 2t + 1 (sums 0, 1) and row g + 8 (sums 2, 3).

#include "cuda/kernels/numbers.cuh"

namespace rank_distillm::cuda {

RD_DEVICE int lane_row() { return lane_index() / 4; }
RD_DEVICE int lane_pair() { return lane_index() % 4 * 2; }

#if defined(__CUDACC__)

/// sums += A · B.
RD_DEVICE void multiply_add(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// The word of B for rows 0 to 7 and for rows 8 to 15 of a [16, 8] matrix stored in shared memory row by row: lanes
/// 0 to 15 give the addresses of its rows.
RD_DEVICE void load_transposed(uint32_t (&b)[2], const Bf16* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(b[0]), "=r"(b[1])
               : "r"(address));
}

#else

RD_DEVICE void multiply_add(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Lane {
    uint32_t a[4], b[2];
  };
  Lane own;
  std::memcpy(own.a, a, sizeof(a));
  std::memcpy(own.b, b, sizeof(b));
  const auto warp = simt::exchange(own);
  const auto half = [](uint32_t word, int i) { return as_float(i == 0 ? word << 16 : word & 0xffff0000U); };
  for (int i = 0; i < 4; ++i) {
    const int row = lane_row() + i / 2 * 8, column = lane_pair() + i % 2;
    for (int k = 0; k < 16; ++k) {
      const auto& of_a = warp[row % 8 * 4 + k % 8 / 2];
      const auto& of_b = warp[column * 4 + k % 8 / 2];
      sums[i] += half(of_a.a[row / 8 + k / 8 * 2], k % 2) * half(of_b.b[k / 8], k % 2);
    }
  }
}

RD_DEVICE void load_transposed(uint32_t (&b)[2], const Bf16* row) {
  const auto rows = simt::exchange(row);
  for (int i = 0; i < 2; ++i) {
    const auto* first = rows[i * 8 + lane_pair()];
    const auto* second = rows[i * 8 + lane_pair() + 1];
    b[i] = first[lane_row()].bits | static_cast<uint32_t>(second[lane_row()].bits) << 16;
  }
}

#endif

}  // namespace rank_distillm::cuda
