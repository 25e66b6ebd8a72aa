#pragma once

// What the tests of the kernels share: numbers, memory as kernels want it, comparisons and their report.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "kernels/packed_weights.h"
#include "kernels/round_to_bf16.h"
#include "reference.h"

namespace rank_distillm {

using reference::Matrix;

inline bool all_ok = true;

/// Numbers that are the same everywhere: about normal, a few of them large.
class Numbers {
 public:
  explicit Numbers(uint32_t seed) : state_(seed * 2654435761U + 1) {}
  double next() {
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += uniform() - 0.5;
    return sum * (uniform() < 0.01 ? 8 : 1.7);
  }
  double uniform() {
    state_ = state_ * 1664525 + 1013904223;
    return (state_ >> 8) / 16777216.0;
  }

 private:
  uint32_t state_;
};

inline double rounded(double value, ElementType type) {
  const auto single = static_cast<float>(value);
  return type == ElementType::bfloat16 ? widen_bf16(round_to_bf16(single)) : single;
}

inline Matrix random_matrix(int64_t rows, int64_t columns, uint32_t seed, ElementType type = ElementType::float32) {
  Matrix matrix(rows, columns);
  Numbers numbers(seed);
  for (auto& value : matrix.values) value = rounded(numbers.next(), type);
  return matrix;
}

inline std::vector<double> random_vector(int64_t size, uint32_t seed) { return random_matrix(1, size, seed).values; }

/// Memory as kernels want it. Behind each row lies what no kernel may read as a number of the row: zeros by contract.
class Storage {
 public:
  Storage(int64_t rows, int64_t columns, int64_t bytes_each)
      : buffer_(rows * row_stride(columns, bytes_each)), rows_{buffer_.data(), row_stride(columns, bytes_each)} {}
  const Rows& rows() const { return rows_; }

 private:
  AlignedBuffer buffer_;
  Rows rows_;
};

inline void write(const Matrix& matrix, const Rows& rows, ElementType type) {
  for (int64_t r = 0; r < matrix.rows; ++r) {
    for (int64_t c = 0; c < matrix.columns; ++c) {
      const auto value = static_cast<float>(matrix.at(r, c));
      if (type == ElementType::bfloat16) {
        reinterpret_cast<uint16_t*>(rows.row(r))[c] = round_to_bf16(value);
      } else {
        reinterpret_cast<float*>(rows.row(r))[c] = value;
      }
    }
  }
}

inline Matrix read(const Rows& rows, int64_t count, int64_t columns, ElementType type) {
  Matrix matrix(count, columns);
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      matrix.at(r, c) = type == ElementType::bfloat16 ? widen_bf16(reinterpret_cast<const uint16_t*>(rows.row(r))[c])
                                                      : reinterpret_cast<const float*>(rows.row(r))[c];
    }
  }
  return matrix;
}

/// A copy's integers, as the numbers they stand for.
inline Matrix read_integers(const ComputeCopy& copy, int64_t count, int64_t columns) {
  Matrix matrix(count, columns);
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const double integer = copy.type == ElementType::int16 ? reinterpret_cast<const int16_t*>(copy.rows.row(r))[c]
                                                             : reinterpret_cast<const uint8_t*>(copy.rows.row(r))[c];
      matrix.at(r, c) = (integer - copy.scales[r].zero_point) * copy.scales[r].scale;
    }
  }
  return matrix;
}

/// |found - wanted| <= bound · (size of the wanted values + scale)
inline void report(const Kernels& level, const std::string& name, const Matrix& found, const Matrix& wanted,
                   double bound, double scale) {
  double worst = 0;
  for (size_t i = 0; i < wanted.values.size(); ++i) {
    const double error = std::fabs(found.values[i] - wanted.values[i]) / (std::fabs(wanted.values[i]) + scale);
    worst = std::isnan(error) ? INFINITY : std::fmax(worst, error);
  }
  const bool ok = worst <= bound;
  all_ok = all_ok && ok;
  std::printf(R"({"name":"%s: %s","ok":%s,"detail":"largest error %g, bound %g"})"
              "\n",
              level.level, name.c_str(), ok ? "true" : "false", worst, bound);
}

/// A case that holds or does not.
inline void report(const Kernels& level, const std::string& name, bool ok) {
  all_ok = all_ok && ok;
  std::printf(R"({"name":"%s: %s","ok":%s,"detail":"does not hold"})"
              "\n",
              level.level, name.c_str(), ok ? "true" : "false");
}

/// Rounding of a result that is stored as bf16.
inline double bound_of(ElementType stored) { return stored == ElementType::bfloat16 ? 0.0045 : 1e-5; }

/// What a level's products multiply.
constexpr ElementType product_types[] = {ElementType::float32, ElementType::bfloat16, ElementType::int16,
                                         ElementType::int8};

inline void loop(int64_t count, const std::function<void(int64_t, int64_t)>& body) { body(0, count); }

inline std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

/// Memory of which every number must be written before it is read, with a guard behind it.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) : bytes_(bytes), buffer_(bytes + guard) {
    std::memset(buffer_.data(), 0xff, buffer_.size());  // NaN
  }
  char* data() const { return buffer_.data(); }
  bool kept_within() const {
    return std::all_of(data() + bytes_, data() + bytes_ + guard,
                       [](char byte) { return byte == static_cast<char>(0xff); });
  }

 private:
  static constexpr int64_t guard = 16384;
  int64_t bytes_;
  AlignedBuffer buffer_;
};

/// Compares what training needs beside the kernels that score. `small` leaves the large sizes out.
void test_training_kernels(const Kernels& level, bool small);

}  // namespace rank_distillm
