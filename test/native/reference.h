#pragma once

// What each kernel computes, said as plainly as possible, in float64: the oracle of their tests.

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace rank_distillm::reference {

/// [rows, columns], row by row.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<double> values;

  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), values(rows * columns) {}
  double& at(int64_t r, int64_t c) { return values[r * columns + c]; }
  double at(int64_t r, int64_t c) const { return values[r * columns + c]; }
};

inline double activated(double x, Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Epilogue::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Epilogue::relu:
      return x > 0 ? x : 0;
    default:
      return x;
  }
}

/// The derivative of `activated`.
inline double slope(double x, Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::gelu:
      return 0.5 * (1 + std::erf(x / std::sqrt(2.0))) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
    case Epilogue::gelu_tanh: {
      const double tanh = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
      return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
    }
    case Epilogue::relu:
      return x > 0 ? 1 : 0;
    default:
      return 1;
  }
}

/// Rows times the Walsh-Hadamard matrix that joins 8 neighbours with those at the same place in the other shares of the
/// row, `shares` being the largest power of two up to 8 that leaves each share a multiple of 16 numbers; rows that are
/// none themselves stay as they are.
inline Matrix rotated(const Matrix& input) {
  int64_t shares = 8;
  while (shares > 0 && input.columns % (16 * shares) != 0) shares /= 2;
  if (shares == 0) return input;
  const int64_t share = input.columns / shares;
  Matrix output(input.rows, input.columns);
  for (int64_t c = 0; c < input.columns; ++c) {
    const int64_t place = c % share, first = place / 8 * 8;
    for (int64_t s = 0; s < shares; ++s) {
      for (int64_t n = 0; n < 8; ++n) {
        const int ones = __builtin_popcountll((c / share) & s) + __builtin_popcountll((place % 8) & n);
        for (int64_t r = 0; r < input.rows; ++r) {
          output.at(r, c) += (ones % 2 == 0 ? 1 : -1) * input.at(r, s * share + first + n);
        }
      }
    }
  }
  return output;
}

/// end(input · weightᵀ + bias), weight [out, in].
inline Matrix linear(const Matrix& input, const Matrix& weight, const std::vector<double>& bias, Epilogue epilogue) {
  Matrix output(input.rows, weight.rows);
  for (int64_t r = 0; r < input.rows; ++r) {
    for (int64_t o = 0; o < weight.rows; ++o) {
      double sum = bias[o];
      for (int64_t i = 0; i < input.columns; ++i) sum += input.at(r, i) * weight.at(o, i);
      output.at(r, o) = activated(sum, epilogue);
    }
  }
  return output;
}

/// One number of Philox4x32-10, as the paper's listing has it.
inline uint32_t philox(uint32_t place_in_row, const DropoutMask& mask) {
  uint32_t counter[4] = {place_in_row / 4, mask.token, mask.pair, mask.site}, key[2] = {mask.seed, mask.step};
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53} * counter[0], second = uint64_t{0xCD9E8D57} * counter[2];
    const uint32_t next[4] = {static_cast<uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(second),
                              static_cast<uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(first)};
    for (int i = 0; i < 4; ++i) counter[i] = next[i];
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter[place_in_row % 4];
}

/// What dropout multiplies a row's value at `column` with.
inline double dropout_factor(const DropoutMask& mask, int64_t column) {
  if (!mask.active()) return 1;
  return philox(static_cast<uint32_t>(column), mask) < mask.threshold ? 0 : mask.kept;
}

struct AttentionInputs {
  Matrix query, key, value;
  int64_t heads;
  DropoutMask dropout = {};
};

/// softmax(Q Kᵀ / √d) of one head, and dropout's factors, both [queries, keys].
inline void attention_weights(const AttentionInputs& inputs, int64_t head, Matrix& weights, Matrix& factors) {
  const auto& [query, key, value, heads, dropout] = inputs;
  const int64_t size = query.columns / heads;
  for (int64_t q = 0; q < query.rows; ++q) {
    double greatest = -HUGE_VAL, total = 0;
    for (int64_t k = 0; k < key.rows; ++k) {
      double score = 0;
      for (int64_t c = head * size; c < (head + 1) * size; ++c) score += query.at(q, c) * key.at(k, c);
      weights.at(q, k) = score / std::sqrt(static_cast<double>(size));
      greatest = std::fmax(greatest, weights.at(q, k));
    }
    for (int64_t k = 0; k < key.rows; ++k) total += std::exp(weights.at(q, k) - greatest);
    auto mask = dropout;
    mask.token += static_cast<uint32_t>(q);
    mask.site += static_cast<uint32_t>(head) << 18;
    for (int64_t k = 0; k < key.rows; ++k) {
      weights.at(q, k) = std::exp(weights.at(q, k) - greatest) / total;
      factors.at(q, k) = dropout_factor(mask, k);
    }
  }
}

/// dropout(softmax(Q Kᵀ / √d)) V for heads that stand side by side.
inline Matrix attention(const AttentionInputs& inputs) {
  const auto& [query, key, value, heads, dropout] = inputs;
  const int64_t size = query.columns / heads;
  Matrix output(query.rows, query.columns), weights(query.rows, key.rows), factors(query.rows, key.rows);
  for (int64_t h = 0; h < heads; ++h) {
    attention_weights(inputs, h, weights, factors);
    for (int64_t q = 0; q < query.rows; ++q) {
      for (int64_t c = h * size; c < (h + 1) * size; ++c) {
        for (int64_t k = 0; k < key.rows; ++k) output.at(q, c) += weights.at(q, k) * factors.at(q, k) * value.at(k, c);
      }
    }
  }
  return output;
}

struct AttentionGradients {
  Matrix query, key, value;
};

/// The gradients of `attention` from that of its output.
inline AttentionGradients attention_backward(const AttentionInputs& inputs, const Matrix& gradient) {
  const auto& [query, key, value, heads, dropout] = inputs;
  const int64_t size = query.columns / heads;
  AttentionGradients result = {Matrix(query.rows, query.columns), Matrix(key.rows, query.columns),
                               Matrix(key.rows, query.columns)};
  Matrix weights(query.rows, key.rows), factors(query.rows, key.rows);
  std::vector<double> slopes(key.rows);
  for (int64_t h = 0; h < heads; ++h) {
    attention_weights(inputs, h, weights, factors);
    const int64_t begin = h * size, end = begin + size;
    for (int64_t q = 0; q < query.rows; ++q) {
      double delta = 0;
      for (int64_t k = 0; k < key.rows; ++k) {
        slopes[k] = 0;
        for (int64_t c = begin; c < end; ++c) slopes[k] += gradient.at(q, c) * value.at(k, c) * factors.at(q, k);
        delta += slopes[k] * weights.at(q, k);
      }
      for (int64_t k = 0; k < key.rows; ++k) {
        const double slope = weights.at(q, k) * (slopes[k] - delta) / std::sqrt(static_cast<double>(size));
        for (int64_t c = begin; c < end; ++c) {
          result.value.at(k, c) += weights.at(q, k) * factors.at(q, k) * gradient.at(q, c);
          result.query.at(q, c) += slope * key.at(k, c);
          result.key.at(k, c) += slope * query.at(q, c);
        }
      }
    }
  }
  return result;
}

inline Matrix layer_norm(const Matrix& input, const std::vector<double>& weight, const std::vector<double>& bias,
                         double eps) {
  Matrix output(input.rows, input.columns);
  const auto size = static_cast<double>(input.columns);
  for (int64_t r = 0; r < input.rows; ++r) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < input.columns; ++c) mean += input.at(r, c) / size;
    for (int64_t c = 0; c < input.columns; ++c) variance += std::pow(input.at(r, c) - mean, 2) / size;
    for (int64_t c = 0; c < input.columns; ++c) {
      output.at(r, c) = (input.at(r, c) - mean) / std::sqrt(variance + eps) * weight[c] + bias[c];
    }
  }
  return output;
}

}  // namespace rank_distillm::reference
