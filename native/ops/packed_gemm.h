#pragma once

#include <ATen/core/Tensor.h>

namespace rank_distillm {

/// What happens to a tile of float32 sums before it is stored, besides the bias.
enum class TileEnd { none, gelu };

/// Weight [out, in] float32 → panels [⌈out / 64⌉, in / 2, 64, 2] bf16: for each pair of inputs the 64 outputs' two
/// weights side by side, as the dot-product instructions of AVX512_BF16 and AMX read them. Missing outputs are zero.
at::Tensor pack_panels(const at::Tensor& weight);

/// output = end(input · panelsᵀ + bias): input [rows, in] bf16, output [rows, out] float32 or bf16. Runs on the calling
/// thread. Needs a CPU with AVX512_BF16 or AMX.
void packed_gemm(const at::Tensor& input, const at::Tensor& panels, const at::Tensor& bias, TileEnd end,
                 const at::Tensor& output);

}  // namespace rank_distillm
