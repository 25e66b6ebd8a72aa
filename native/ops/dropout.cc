#include "ops/dropout.h"

namespace rank_distillm {

DropoutMask Dropout::mask(RowId row) const {
  return {static_cast<uint32_t>(rate * 4294967296.0),
          static_cast<float>(1 / (1 - rate)),
          seed,
          step,
          static_cast<uint32_t>(site) | layer << 3,
          row.pair,
          row.token};
}

void dropout_factors(const Dropout& dropout, RowId row, float* factors, int64_t n) {
  kernels().dropout({dropout.mask(row), n, factors});
}

void dropout_(const at::Tensor& values, const Dropout& dropout, const std::vector<RowId>& ids) {
  if (!dropout.active()) return;
  const int64_t n = values.size(1);
  auto* data = values.data_ptr<float>();
  std::vector<float> factors(n);
  for (size_t row = 0; row < ids.size(); ++row) {
    dropout_factors(dropout, ids[row], factors.data(), n);
    for (int64_t i = 0; i < n; ++i) data[static_cast<int64_t>(row) * n + i] *= factors[i];
  }
}

}  // namespace rank_distillm
