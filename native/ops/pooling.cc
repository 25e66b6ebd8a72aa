#include "ops/pooling.h"

#include <algorithm>
#include <vector>

#include "ops/row.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

/// A NaN stays.
RANK_DISTILLM_VECTORIZE
void raise_to(float* greatest, const float* row, int64_t n) {
  for (int64_t i = 0; i < n; ++i) greatest[i] = row[i] > greatest[i] || row[i] != row[i] ? row[i] : greatest[i];
}

RANK_DISTILLM_VECTORIZE
void divide(float* values, float divisor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] /= divisor;
}

/// Sums of up to 16 rows are added to sums of up to 256, and so on: rounding errors grow with the logarithm of the
/// number of rows. LibTorch sums columns in the same order.
class ColumnSums {
 public:
  explicit ColumnSums(int64_t width) : width_(width), sums_(levels * width) {}

  /// Writes the sums of `count` rows from `first` on.
  void sum(const Rows& rows, int64_t first, int64_t count, float* to) {
    std::fill(sums_.begin(), sums_.end(), 0.0F);
    int64_t row = 0;
    while (row + together <= count) {
      for (int64_t i = 0; i < together; ++i, ++row) add_row(rows.floats(first + row), level(0), width_);
      for (int64_t i = 1, rows_below = row / together; i < levels; ++i, rows_below /= together) {
        add_row(level(i - 1), level(i), width_);
        std::fill_n(level(i - 1), width_, 0.0F);
        if (rows_below % together != 0) break;
      }
    }
    for (; row < count; ++row) add_row(rows.floats(first + row), level(0), width_);
    for (int64_t i = 1; i < levels; ++i) add_row(level(i), level(0), width_);
    std::copy_n(level(0), width_, to);
  }

 private:
  static constexpr int64_t levels = 4, together = 16;

  float* level(int64_t i) { return sums_.data() + i * width_; }

  int64_t width_;
  std::vector<float> sums_;
};

void greatest_of(const Rows& rows, int64_t first, int64_t count, int64_t width, float* to) {
  std::copy_n(rows.floats(first), width, to);
  for (int64_t row = first + 1; row < first + count; ++row) raise_to(to, rows.floats(row), width);
}

/// `body(sequence, first row, rows)`, numbered within the block.
template <typename Body>
void each_sequence(const PackedBatch& batch, const Block& block, const Body& body) {
  for (int64_t s = 0; s < block.sequences; ++s) {
    const int64_t start = batch.cu_seqlens[block.first_sequence + s];
    body(s, start - block.first_token, batch.cu_seqlens[block.first_sequence + s + 1] - start);
  }
}

}  // namespace

void pool(const Rows& hidden, int64_t width, const PackedBatch& batch, const Block& block, Pooling pooling,
          const Rows& pooled) {
  ColumnSums sums(width);
  each_sequence(batch, block, [&](int64_t s, int64_t first, int64_t count) {
    float* to = pooled.floats(s);
    if (pooling == Pooling::max) return greatest_of(hidden, first, count, width, to);
    sums.sum(hidden, first, count, to);
    if (pooling == Pooling::mean) divide(to, static_cast<float>(count), width);
  });
}

void pool_backward(const Rows& pooled_gradient, const Rows& hidden, int64_t width, const PackedBatch& batch,
                   const Block& block, Pooling pooling, const Rows& gradient) {
  std::vector<float> greatest(width), share(width);
  each_sequence(batch, block, [&](int64_t s, int64_t first, int64_t count) {
    std::copy_n(pooled_gradient.floats(s), width, share.data());
    if (pooling == Pooling::mean) divide(share.data(), static_cast<float>(count), width);
    if (pooling == Pooling::max) {
      greatest_of(hidden, first, count, width, greatest.data());
      for (int64_t i = 0; i < width; ++i) {
        int64_t ties = 0;
        for (int64_t row = first; row < first + count; ++row) ties += hidden.floats(row)[i] == greatest[i] ? 1 : 0;
        share[i] /= static_cast<float>(ties);
      }
    }
    for (int64_t row = first; row < first + count; ++row) {
      float* to = gradient.floats(row);
      for (int64_t i = 0; i < width; ++i) {
        to[i] = share[i] * (pooling != Pooling::max || hidden.floats(row)[i] == greatest[i] ? 1.0F : 0.0F);
      }
    }
  });
}

}  // namespace rank_distillm
