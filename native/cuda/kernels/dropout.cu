// Dropout of rows in place: of embeddings' gradients and of heads. Reference: cuda/ops/dropout.cc.

#include "cuda/kernels/numbers.cuh"
#include "cuda/kernels/philox.cuh"

namespace rank_distillm::cuda {
namespace {

constexpr int threads = 128;

RD_KERNEL void drop_kernel(float* values, int columns, DropRows dropout) {
  const int64_t row = block_x();
  const auto mask = mask_of_row(dropout, row);
  float* of_row = values + row * columns;
  for (int group = thread_index(); group * 4 < columns; group += block_threads()) {
    float factors[4];
    drop_factors(dropout, mask, 0, static_cast<uint32_t>(group), factors);
    for (int i = 0; i < 4 && group * 4 + i < columns; ++i) of_row[group * 4 + i] *= factors[i];
  }
}

}  // namespace

void drop_rows(float* values, int64_t rows, int columns, const DropRows& dropout, Stream stream) {
  launch(drop_kernel, {rows}, threads, stream, values, columns, dropout);
}

}  // namespace rank_distillm::cuda
