// bf16 products on oneDNN's batch-reduce kernel, which LibTorch exports as cpublas::brgemm. One panel of 64 outputs
// (96 KiB at 768 inputs) stays in the near cache while the rows pass by in tiles; bias and gelu are applied to the
// tile's float32 sums while they are still there, so nothing is rounded twice and no second pass over memory is made.
// Rows left over form a smaller tile of exactly their number: no padding row is computed.

#include "ops/packed_gemm.h"

#include <ATen/native/CPUBlas.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "ops/bf16.h"
#include "ops/vector_math.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

constexpr int64_t panel_width = 64;  // oneDNN's limit for packed B on AMX
constexpr int64_t tile_rows = 64;

/// x Φ(x) with erf by Abramowitz and Stegun 7.1.26, absolute error 2e-7.
inline float gelu(float x) {
  const float z = std::fabs(x) * 0.707106781F;
  const float t = 1 / (1 + 0.3275911F * z);
  const float tail =
      t * (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F)))) *
      exp_negative(-z * z);
  return 0.5F * (x + std::fabs(x) * (1 - tail));
}

RANK_DISTILLM_VECTORIZE
void add_bias(float* sums, const float* bias, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sums[i] += bias[i];
}

RANK_DISTILLM_VECTORIZE
void gelu_row(float* sums, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sums[i] = gelu(sums[i]);
}

/// One tile of sums [rows, 64] → columns [column, column + width) of the output.
void store_tile(float* sums, int64_t rows, const float* bias, TileEnd end, const at::Tensor& output, int64_t first_row,
                int64_t column, int64_t width) {
  const int64_t stride = output.size(1);
  const bool float32 = output.scalar_type() == at::kFloat;
  for (int64_t r = 0; r < rows; ++r) {
    auto* row = sums + r * panel_width;
    if (bias != nullptr) add_bias(row, bias + column, width);
    if (end == TileEnd::gelu) gelu_row(row, width);
    const int64_t target = (first_row + r) * stride + column;
    if (float32) {
      std::copy_n(row, width, output.data_ptr<float>() + target);
    } else {
      round_row_to_bf16(row, bf16_data(output) + target, width);
    }
  }
}

}  // namespace

at::Tensor pack_panels(const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  const auto source = weight.contiguous();
  const auto panels =
      at::zeros({(out + panel_width - 1) / panel_width, in / 2, panel_width, 2}, source.options().dtype(at::kBFloat16));
  const auto* from = source.const_data_ptr<float>();
  auto* to = bf16_data(panels);
  for (int64_t o = 0; o < out; ++o) {
    auto* column = to + (o / panel_width) * in * panel_width + (o % panel_width) * 2;
    for (int64_t i = 0; i < in; ++i) column[(i / 2) * panel_width * 2 + i % 2] = round_to_bf16(from[o * in + i]);
  }
  return panels;
}

void packed_gemm(const at::Tensor& input, const at::Tensor& panels, const at::Tensor& bias, TileEnd end,
                 const at::Tensor& output) {
  const int64_t rows = input.size(0), in = input.size(1), out = output.size(1);
  const auto* a = input.const_data_ptr<at::BFloat16>();
  const auto* b = panels.const_data_ptr<at::BFloat16>();
  const auto* bias_data = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  alignas(64) float sums[tile_rows * panel_width];
  for (int64_t column = 0; column < out; column += panel_width, b += in * panel_width) {
    for (int64_t row = 0; row < rows; row += tile_rows) {
      const int64_t count = std::min(tile_rows, rows - row);
      at::native::cpublas::brgemm(count, panel_width, in, in, panel_width, panel_width, false, a + row * in, b, sums);
      store_tile(sums, count, bias_data, end, output, row, column, std::min(panel_width, out - column));
    }
  }
  at::native::cpublas::brgemm_release();
}

}  // namespace rank_distillm
