#include "cuda/ops/dropout.h"

#include <ATen/ops/empty.h>

#include "cuda/ops/call.h"

namespace rank_distillm {

cuda::DropRows drop_call(const Dropout& dropout, const DeviceRowIds& ids) {
  if (!dropout.active()) return {};
  const auto mask = dropout.mask({0, 0});
  return {mask.threshold,
          mask.kept,
          mask.seed,
          mask.step,
          mask.site,
          numbers_of<int32_t>(ids.pairs),
          numbers_of<int32_t>(ids.tokens)};
}

at::Tensor reference_dropout_factors(const Dropout& dropout, const DeviceRowIds& ids, int64_t columns) {
  const int64_t rows = ids.pairs.numel();
  auto factors = at::empty({rows, columns}, at::kFloat);
  const auto* pairs = ids.pairs.const_data_ptr<int32_t>();
  const auto* tokens = ids.tokens.const_data_ptr<int32_t>();
  for (int64_t row = 0; row < rows; ++row) {
    dropout_factors(dropout, {static_cast<uint32_t>(pairs[row]), static_cast<uint32_t>(tokens[row])},
                    factors.data_ptr<float>() + row * columns, columns);
  }
  return factors;
}

void drop_rows_(const at::Tensor& values, const Dropout& dropout, const DeviceRowIds& ids) {
  if (!dropout.active()) return;
  if (by_kernel(values)) {
    cuda::drop_rows(values.data_ptr<float>(), values.size(0), static_cast<int>(values.size(1)), drop_call(dropout, ids),
                    stream_of(values));
    return;
  }
  values.mul_(reference_dropout_factors(dropout, ids, values.size(1)));
}

}  // namespace rank_distillm
