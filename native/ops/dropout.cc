#include "ops/dropout.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

/// Counters worked on at a time; each gives four numbers.
constexpr int64_t lanes = 16;
constexpr int64_t numbers = 4 * lanes;

struct Counter {
  uint32_t block, token, pair, place;  // `block` counts on from lane to lane
};

/// Philox4x32-10 of `lanes` counters whose blocks follow each other; number k of lane l lands in out[4 l + k].
inline void philox(const Counter& counter, uint32_t key0, uint32_t key1, uint32_t* out) {
  uint32_t a[lanes], b[lanes], c[lanes], d[lanes];
  for (uint32_t i = 0; i < lanes; ++i) {
    a[i] = counter.block + i;
    b[i] = counter.token;
    c[i] = counter.pair;
    d[i] = counter.place;
  }
  for (int round = 0; round < 10; ++round) {
    for (int64_t i = 0; i < lanes; ++i) {
      const uint64_t first = uint64_t{0xD2511F53} * a[i], second = uint64_t{0xCD9E8D57} * c[i];
      a[i] = static_cast<uint32_t>(second >> 32) ^ b[i] ^ key0;
      b[i] = static_cast<uint32_t>(second);
      c[i] = static_cast<uint32_t>(first >> 32) ^ d[i] ^ key1;
      d[i] = static_cast<uint32_t>(first);
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  for (int64_t i = 0; i < lanes; ++i) {
    out[4 * i] = a[i];
    out[4 * i + 1] = b[i];
    out[4 * i + 2] = c[i];
    out[4 * i + 3] = d[i];
  }
}

RANK_DISTILLM_VECTORIZE
void fill_factors(Counter counter, uint32_t key0, uint32_t key1, uint32_t threshold, float kept, float* factors,
                  int64_t n) {
  uint32_t drawn[numbers];
  for (int64_t begin = 0; begin < n; begin += numbers, counter.block += lanes) {
    philox(counter, key0, key1, drawn);
    const int64_t count = std::min(numbers, n - begin);
    for (int64_t i = 0; i < count; ++i) factors[begin + i] = drawn[i] < threshold ? 0.0F : kept;
  }
}

RANK_DISTILLM_VECTORIZE
void multiply(float* values, const float* factors, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] *= factors[i];
}

}  // namespace

void dropout_factors(const Dropout& dropout, RowId row, uint32_t head, float* factors, int64_t n) {
  const auto place = static_cast<uint32_t>(dropout.site) | dropout.layer << 3 | head << 18;
  const auto threshold = static_cast<uint32_t>(dropout.rate * 4294967296.0);
  fill_factors({0, row.token, row.pair, place}, dropout.seed, dropout.step, threshold,
               static_cast<float>(1 / (1 - dropout.rate)), factors, n);
}

void dropout_(const at::Tensor& values, const Dropout& dropout, const std::vector<RowId>& ids) {
  if (!dropout.active()) return;
  const int64_t n = values.size(1);
  auto* data = values.data_ptr<float>();
  parallel_for(values.size(0), row_grain(n), [&](int64_t begin, int64_t end) {
    std::vector<float> factors(n);
    for (int64_t row = begin; row < end; ++row) {
      dropout_factors(dropout, ids[row], 0, factors.data(), n);
      multiply(data + row * n, factors.data(), n);
    }
  });
}

}  // namespace rank_distillm
