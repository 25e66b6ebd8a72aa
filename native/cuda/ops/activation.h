#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/kernels.h"

namespace rank_distillm {

/// An encoder's activation of all values; `in_place` overwrites `before`.
at::Tensor device_activation(const at::Tensor& before, Epilogue activation, bool in_place);

/// gradient · activation'(before), over `gradient`.
void device_activation_backward_(const at::Tensor& gradient, const at::Tensor& before, Epilogue activation);

}  // namespace rank_distillm
