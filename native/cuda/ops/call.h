#pragma once

#include <ATen/core/Tensor.h>

#include "cuda/kernels/kernels.h"
#include "cuda/runtime.h"

namespace rank_distillm {

#if defined(RANK_DISTILLM_SIMULATED_KERNELS)

/// For the kernels' test without a GPU: whether simulated kernels take the CPU's tensors.
extern bool kernels_are_simulated;
inline bool by_kernel(const at::Tensor&) { return kernels_are_simulated; }
inline cuda::Stream stream_of(const at::Tensor&) { return nullptr; }

#else

/// True if a kernel takes the tensor; otherwise the op's reference does. Constant in a build without CUDA, which then
/// links without kernels.
inline bool by_kernel(const at::Tensor& tensor) {
  if constexpr (cuda::built) return tensor.is_cuda();
  return false;
}

inline cuda::Stream stream_of(const at::Tensor& tensor) { return cuda::current_stream(tensor.device().index()); }

#endif

inline cuda::Type kernel_type(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kBFloat16 ? cuda::Type::bfloat16 : cuda::Type::float32;
}

/// Null for an undefined tensor.
inline void* data_of(const at::Tensor& tensor) { return tensor.defined() ? tensor.data_ptr() : nullptr; }

template <typename Number>
Number* numbers_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<Number>() : nullptr;
}

}  // namespace rank_distillm
