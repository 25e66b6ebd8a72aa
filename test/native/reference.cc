#include "reference.h"

#include <cmath>

namespace rank_distillm::reference {
namespace {

/// One number of Philox4x32-10, as in the paper's listing.
uint32_t philox(uint32_t index, const DropoutMask& mask) {
  uint32_t counter[4] = {index / 4, mask.token, mask.pair, mask.site}, key[2] = {mask.seed, mask.step};
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53} * counter[0], second = uint64_t{0xCD9E8D57} * counter[2];
    const uint32_t next[4] = {static_cast<uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(second),
                              static_cast<uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(first)};
    for (int i = 0; i < 4; ++i) counter[i] = next[i];
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter[index % 4];
}

/// Columns [first, first + count).
Matrix columns_of(const Matrix& matrix, int64_t first, int64_t count) {
  Matrix result(matrix.rows, count);
  for (int64_t r = 0; r < matrix.rows; ++r) {
    for (int64_t c = 0; c < count; ++c) result.at(r, c) = matrix.at(r, first + c);
  }
  return result;
}

void put_columns(Matrix& matrix, int64_t first, const Matrix& part) {
  for (int64_t r = 0; r < matrix.rows; ++r) {
    for (int64_t c = 0; c < part.columns; ++c) matrix.at(r, first + c) = part.at(r, c);
  }
}

Matrix multiplied(Matrix a, const Matrix& b) {
  for (size_t i = 0; i < a.values.size(); ++i) a.values[i] *= b.values[i];
  return a;
}

/// One head: its columns of the inputs, softmax(Q Kᵀ / √d) and dropout's factors, both [queries, keys].
struct Head {
  int64_t first, size;
  Matrix query, key, value, weights, factors;

  Head(const AttentionInputs& inputs, int64_t head)
      : first(head * (inputs.query.columns / inputs.heads)),
        size(inputs.query.columns / inputs.heads),
        query(columns_of(inputs.query, first, size)),
        key(columns_of(inputs.key, first, size)),
        value(columns_of(inputs.value, first, size)),
        weights(product(query, transposed(key))),
        factors(query.rows, key.rows) {
    for (int64_t q = 0; q < query.rows; ++q) {
      double greatest = -HUGE_VAL, total = 0;
      for (int64_t k = 0; k < key.rows; ++k) {
        weights.at(q, k) *= scale();
        greatest = std::fmax(greatest, weights.at(q, k));
      }
      for (int64_t k = 0; k < key.rows; ++k) total += weights.at(q, k) = std::exp(weights.at(q, k) - greatest);
      auto mask = inputs.dropout;
      mask.token += static_cast<uint32_t>(q);
      mask.site += static_cast<uint32_t>(head) << 18;
      for (int64_t k = 0; k < key.rows; ++k) {
        weights.at(q, k) /= total;
        factors.at(q, k) = dropout_factor(mask, k);
      }
    }
  }

  double scale() const { return 1 / std::sqrt(static_cast<double>(size)); }
};

}  // namespace

Matrix transposed(const Matrix& matrix) {
  Matrix result(matrix.columns, matrix.rows);
  for (int64_t r = 0; r < matrix.rows; ++r) {
    for (int64_t c = 0; c < matrix.columns; ++c) result.at(c, r) = matrix.at(r, c);
  }
  return result;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix result(a.rows, b.columns);
  for (int64_t r = 0; r < a.rows; ++r) {
    double* const sums = result.row(r);
    for (int64_t i = 0; i < a.columns; ++i) {
      const double factor = a.at(r, i);
      const double* const row = b.row(i);
      for (int64_t c = 0; c < b.columns; ++c) sums[c] += factor * row[c];
    }
  }
  return result;
}

double activated(double x, Epilogue activation) {
  switch (activation) {
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

double slope(double x, Epilogue activation) {
  switch (activation) {
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

Matrix rotated(const Matrix& input) {
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

Matrix linear(const Matrix& input, const Matrix& weight, const std::vector<double>& bias, Epilogue activation) {
  auto output = product(input, transposed(weight));
  for (int64_t r = 0; r < output.rows; ++r) {
    for (int64_t o = 0; o < output.columns; ++o) output.at(r, o) = activated(output.at(r, o) + bias[o], activation);
  }
  return output;
}

double dropout_factor(const DropoutMask& mask, int64_t column) {
  if (!mask.active()) return 1;
  return philox(static_cast<uint32_t>(column), mask) < mask.threshold ? 0 : mask.kept;
}

Matrix attention(const AttentionInputs& inputs) {
  Matrix output(inputs.query.rows, inputs.query.columns);
  for (int64_t h = 0; h < inputs.heads; ++h) {
    const Head head(inputs, h);
    put_columns(output, head.first, product(multiplied(head.weights, head.factors), head.value));
  }
  return output;
}

AttentionGradients attention_backward(const AttentionInputs& inputs, const Matrix& gradient) {
  const int64_t columns = inputs.query.columns;
  AttentionGradients result = {Matrix(inputs.query.rows, columns), Matrix(inputs.key.rows, columns),
                               Matrix(inputs.key.rows, columns)};
  for (int64_t h = 0; h < inputs.heads; ++h) {
    const Head head(inputs, h);
    const auto above = columns_of(gradient, head.first, head.size);
    auto scores = multiplied(product(above, transposed(head.value)), head.factors);  // the weights' gradients
    for (int64_t q = 0; q < scores.rows; ++q) {
      double delta = 0;
      for (int64_t k = 0; k < scores.columns; ++k) delta += scores.at(q, k) * head.weights.at(q, k);
      for (int64_t k = 0; k < scores.columns; ++k) {
        scores.at(q, k) = head.weights.at(q, k) * (scores.at(q, k) - delta) * head.scale();
      }
    }
    put_columns(result.query, head.first, product(scores, head.key));
    put_columns(result.key, head.first, product(transposed(scores), head.query));
    put_columns(result.value, head.first, product(transposed(multiplied(head.weights, head.factors)), above));
  }
  return result;
}

Matrix layer_norm(const Matrix& input, const std::vector<double>& weight, const std::vector<double>& bias, double eps) {
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
