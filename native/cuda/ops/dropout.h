#pragma once

#include "cuda/device_block.h"
#include "cuda/kernels/kernels.h"
#include "ops/dropout.h"

namespace rank_distillm {

/// The kernels' arguments for dropout.
cuda::DropRows drop_call(const Dropout& dropout, const DeviceRowIds& ids);

/// values [rows, columns] float32 *= factors. It is its own backward.
void drop_rows_(const at::Tensor& values, const Dropout& dropout, const DeviceRowIds& ids);

/// The factors themselves, [rows, columns] float32, for the references on the CPU.
at::Tensor reference_dropout_factors(const Dropout& dropout, const DeviceRowIds& ids, int64_t columns);

}  // namespace rank_distillm
