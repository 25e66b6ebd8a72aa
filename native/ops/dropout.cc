#include "ops/dropout.h"

#include <vector>

#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

RANK_DISTILLM_VECTORIZE
void multiply(float* values, const float* factors, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] *= factors[i];
}

}  // namespace

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

void drop_rows(const Rows& values, int64_t rows, int64_t n, const Dropout& dropout, const RowId* ids) {
  if (!dropout.active()) return;
  std::vector<float> factors(n);
  for (int64_t row = 0; row < rows; ++row) {
    dropout_factors(dropout, ids[row], factors.data(), n);
    multiply(values.floats(row), factors.data(), n);
  }
}

}  // namespace rank_distillm
