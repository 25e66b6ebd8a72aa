#pragma once

// Shared by the kernels' tests: random numbers, memory laid out for kernels, products of a level, and comparisons.

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

/// The same numbers on every machine: about normal, a few of them large.
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

/// Rows with the slack that kernels may read and write after the columns: zeros by contract.
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

/// The numbers that a copy's integers represent.
inline Matrix read_integers(const Kernels& level, const ComputeCopy& copy, int64_t count, int64_t columns) {
  Matrix matrix(count, columns);
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const char* row = copy.rows.row(r);
      const double integer = copy.type == ElementType::int16 ? reinterpret_cast<const int16_t*>(row)[c]
                             : level.signed_bytes            ? reinterpret_cast<const int8_t*>(row)[c]
                                                             : reinterpret_cast<const uint8_t*>(row)[c];
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

/// A case that either holds or does not.
inline void report(const Kernels& level, const std::string& name, bool ok) {
  all_ok = all_ok && ok;
  std::printf(R"({"name":"%s: %s","ok":%s,"detail":"does not hold"})"
              "\n",
              level.level, name.c_str(), ok ? "true" : "false");
}

/// The error of a result's rounding where it is stored as bf16.
inline double bound_of(ElementType stored) { return stored == ElementType::bfloat16 ? 0.0045 : 1e-5; }

/// Operand types of products.
constexpr ElementType product_types[] = {ElementType::float32, ElementType::bfloat16, ElementType::int16,
                                         ElementType::int8};

inline void loop(int64_t count, const std::function<void(int64_t, int64_t)>& body) { body(0, count); }

inline bool all_nan(const Matrix& matrix) {
  return std::all_of(matrix.values.begin(), matrix.values.end(), [](double value) { return std::isnan(value); });
}

inline DropoutMask dropout_mask(double rate) {
  return {static_cast<uint32_t>(rate * 4294967296.0), static_cast<float>(1 / (1 - rate)), 7, 3, 12, 5, 0};
}

inline std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

/// Scratch memory: full of NaN, so that a number that is read before it is written shows, with a guard after it.
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

/// A level's product of float32 rows and weights, converted to `type` as the engine does it.
class Product {
 public:
  Product(const Kernels& level, ElementType type, const Matrix& input, const Matrix& weight,
          const std::vector<double>& bias = {})
      : level_(level),
        type_(type),
        input_(input),
        weight_(weight),
        weights_(floats(weight.values)),
        biases_(floats(bias)),
        packed_(level, type, weights_.data(), biases_.empty() ? nullptr : biases_.data(), weight.rows, weight.columns,
                loop),
        operands_(input.rows, input.columns, element_bytes(type)),
        scales_(input.rows),
        rotated_(row_stride(input.columns, 4)) {
    if (!are_integers(type)) {
      write(input, operands_.rows(), type);
      return;
    }
    const Storage exact(input.rows, input.columns, 4);
    write(input, exact.rows(), ElementType::float32);
    level.convert({input.rows, input.columns, exact.rows(), ElementType::float32, copy()});
  }

  void run(Epilogue epilogue, ElementType stored, const Rows& output) {
    uint64_t ticks = 0;
    level_.product_of(type_)(
        {input_.rows, operands_.rows(), scales_.data(), packed_.view(), epilogue, output, stored, &ticks});
  }

  /// Float32 output.
  Matrix run(Epilogue epilogue) {
    const Storage output(input_.rows, weight_.rows, 4);
    run(epilogue, ElementType::float32, output.rows());
    return read(output.rows(), input_.rows, weight_.rows, ElementType::float32);
  }

  /// The operands after rounding; rows and weights of int8 are rotated.
  Matrix rounded_input() const {
    return are_integers(type_) ? read_integers(level_, copy(), input_.rows, input_.columns) : input_;
  }
  Matrix rounded_weight() const {
    auto result = weight_;
    const int64_t in = weight_.columns;
    std::vector<float> rotated(in);
    for (int64_t o = 0; are_integers(type_) && o < weight_.rows; ++o) {
      const float* row = weights_.data() + o * in;
      float inverse = 1 / packed_.view().scales[o], scale = packed_.view().scales[o];
      if (type_ == ElementType::int8) {
        float greatest = 0;
        level_.rotate({in, row, rotated.data()});
        for (const auto value : rotated) greatest = std::max(greatest, std::fabs(value));
        inverse = 127 / greatest;
        scale = greatest / 127 / static_cast<float>(rotation_factor(in));
        row = rotated.data();
      }
      for (int64_t i = 0; i < in; ++i) result.at(o, i) = std::nearbyint(row[i] * inverse) * scale;
    }
    return result;
  }

 private:
  ComputeCopy copy() const {
    return {type_, operands_.rows(), const_cast<RowScale*>(scales_.data()), reinterpret_cast<float*>(rotated_.data())};
  }

  const Kernels& level_;
  ElementType type_;
  Matrix input_, weight_;
  std::vector<float> weights_, biases_;
  PackedWeights packed_;
  Storage operands_;
  std::vector<RowScale> scales_;
  Scratch rotated_;
};

using Levels = std::vector<const Kernels*>;

// Each group of cases runs on every level; references are computed once for all of them. `small` leaves out the large
// sizes, for sanitizers and emulated CPUs.
void test_products(const Levels& levels, bool small);
void test_training_products(const Levels& levels, bool small);
void test_attention(const Levels& levels, bool small);
void test_rows(const Levels& levels, bool small);

}  // namespace rank_distillm
