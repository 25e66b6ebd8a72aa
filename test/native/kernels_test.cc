// Compares every kernel of every level that this CPU has with its plain version in float64, at odd sizes. Prints one
// line of JSON per case; test/native/kernels.test.ts reads them. It links no library, so that it also runs on an
// emulated CPU. With the argument `small`, the large sizes are left out.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/packed_weights.h"
#include "kernels/plain.h"
#include "kernels/round_to_bf16.h"

namespace {

using namespace rank_distillm;
using plain::Matrix;

bool all_ok = true;
bool small = false;

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

double rounded(double value, ElementType type) {
  const auto single = static_cast<float>(value);
  return type == ElementType::bfloat16 ? widen_bf16(round_to_bf16(single)) : single;
}

Matrix random_matrix(int64_t rows, int64_t columns, uint32_t seed, ElementType type = ElementType::float32) {
  Matrix matrix(rows, columns);
  Numbers numbers(seed);
  for (auto& value : matrix.values) value = rounded(numbers.next(), type);
  return matrix;
}

std::vector<double> random_vector(int64_t size, uint32_t seed) { return random_matrix(1, size, seed).values; }

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

void write(const Matrix& matrix, const Rows& rows, ElementType type) {
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

Matrix read(const Rows& rows, int64_t count, int64_t columns, ElementType type) {
  Matrix matrix(count, columns);
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      matrix.at(r, c) = type == ElementType::bfloat16 ? widen_bf16(reinterpret_cast<const uint16_t*>(rows.row(r))[c])
                                                      : reinterpret_cast<const float*>(rows.row(r))[c];
    }
  }
  return matrix;
}

/// Integers of an int8 row, as the numbers they stand for.
Matrix read_integers(const Kernels& level, const ComputeCopy& copy, int64_t count, int64_t columns) {
  Matrix matrix(count, columns);
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const double integer = level.int8_bytes == 2 ? reinterpret_cast<const int16_t*>(copy.rows.row(r))[c]
                                                   : reinterpret_cast<const uint8_t*>(copy.rows.row(r))[c];
      matrix.at(r, c) = (integer - copy.scales[r].zero) * copy.scales[r].scale;
    }
  }
  return matrix;
}

/// |found - wanted| <= bound · (size of the wanted values + scale)
void report(const Kernels& level, const std::string& name, const Matrix& found, const Matrix& wanted, double bound,
            double scale) {
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
void report(const Kernels& level, const std::string& name, bool ok) {
  all_ok = all_ok && ok;
  std::printf(R"({"name":"%s: %s","ok":%s,"detail":"does not hold"})"
              "\n",
              level.level, name.c_str(), ok ? "true" : "false");
}

/// Rounding of a result that is stored as bf16.
double bound_of(ElementType stored) { return stored == ElementType::bfloat16 ? 0.0045 : 1e-5; }

const char* name_of(ElementType type) {
  return type == ElementType::float32 ? "float32" : type == ElementType::bfloat16 ? "bfloat16" : "int8";
}

void loop(int64_t count, const std::function<void(int64_t, int64_t)>& body) { body(0, count); }

std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

struct LinearCase {
  int64_t rows, in, out;
  TileEnd end;
};

void test_linear(const Kernels& level, ElementType type, ElementType stored, const LinearCase& shape) {
  const auto& [rows, in, out, end] = shape;
  auto input = random_matrix(rows, in, 1, type);
  auto weight = random_matrix(out, in, 2, type);
  for (auto& value : weight.values) value = rounded(value / std::sqrt(static_cast<double>(in)), type);
  const auto bias = random_vector(out, 3);
  const auto weights = floats(weight.values), biases = floats(bias);
  const PackedWeights packed(level, type, weights.data(), biases.data(), out, in, loop);
  const Storage exact(rows, in, 4), inputs(rows, in, level.element_bytes(type));
  const Storage output(rows, out, stored == ElementType::bfloat16 ? 2 : 4);
  std::vector<RowScale> scales(rows);
  if (type == ElementType::int8) {
    write(input, exact.rows(), ElementType::float32);
    const ComputeCopy copy = {type, inputs.rows(), scales.data()};
    level.convert({rows, in, exact.rows(), ElementType::float32, copy});
    input = read_integers(level, copy, rows, in);
    for (int64_t o = 0; o < out; ++o) {
      float greatest = 0;
      for (int64_t i = 0; i < in; ++i) greatest = std::max(greatest, std::fabs(weights[o * in + i]));
      for (int64_t i = 0; i < in; ++i) {
        weight.at(o, i) = std::nearbyint(weights[o * in + i] * (127 / greatest)) * (greatest / 127);
      }
    }
  } else {
    write(input, inputs.rows(), type);
  }
  const auto multiply = type == ElementType::float32    ? level.gemm_float32
                        : type == ElementType::bfloat16 ? level.gemm_bfloat16
                                                        : level.gemm_int8;
  uint64_t ticks = 0;
  multiply({rows, inputs.rows(), scales.data(), packed.view(), end, output.rows(), stored, &ticks});
  const std::string title = std::string("linear ") + name_of(type) + " to " + name_of(stored) + ", " +
                            std::to_string(rows) + " rows, " + std::to_string(in) + " x " + std::to_string(out) +
                            ", end " + std::to_string(static_cast<int>(end));
  report(level, title, read(output.rows(), rows, out, stored), plain::linear(input, weight, bias, end),
         bound_of(stored), 0.5);
  // What lies behind the columns feeds the next product.
  double behind = 0;
  const int64_t used = out * (stored == ElementType::bfloat16 ? 2 : 4);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t b = used; b < output.rows().stride; ++b) behind += output.rows().row(r)[b] != 0;
  }
  if (behind != 0) report(level, title + ", zeros behind the rows", false);
}

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

DropoutMask mask_of(double rate) {
  return {static_cast<uint32_t>(rate * 4294967296.0), static_cast<float>(1 / (1 - rate)), 7, 3, 12, 5, 0};
}

void test_dropout(const Kernels& level, int64_t columns) {
  const auto mask = mask_of(0.3);
  std::vector<float> factors(columns + 1, 42);
  level.dropout({mask, columns, factors.data()});
  Matrix found(1, columns + 1), wanted(1, columns + 1);
  for (int64_t c = 0; c < columns; ++c) wanted.at(0, c) = plain::dropout_factor(mask, c);
  wanted.at(0, columns) = 42;
  std::copy(factors.begin(), factors.end(), found.values.begin());
  report(level, "dropout of " + std::to_string(columns) + " values", found, wanted, 0, 1);
}

void test_attention(const Kernels& level, ElementType type, int64_t queries, int64_t keys, int64_t heads, int64_t size,
                    double rate = 0) {
  const int64_t width = heads * size, bytes = level.element_bytes(type);
  const plain::AttentionInputs inputs = {random_matrix(queries, width, 4, type), random_matrix(keys, width, 5, type),
                                         random_matrix(keys, width, 6, type), heads,
                                         rate > 0 ? mask_of(rate) : DropoutMask{}};
  const auto gradient = random_matrix(queries, width, 21, type);
  const Storage q(queries, width, bytes), k(keys, width, bytes), v(keys, width, bytes), g(queries, width, bytes);
  const Storage output(queries, width, bytes), dq(queries, width, bytes), dk(keys, width, bytes),
      dv(keys, width, bytes);
  write(inputs.query, q.rows(), type);
  write(inputs.key, k.rows(), type);
  write(inputs.value, v.rows(), type);
  write(gradient, g.rows(), type);
  const Scratch scratch(attention_scratch(keys, size)), more(attention_backward_scratch(keys, size));
  const bool bf16 = type == ElementType::bfloat16;
  std::vector<float> softmax(2 * queries * heads);
  (bf16 ? level.attention_bfloat16
        : level.attention_float32)({queries, keys, heads, size, q.rows(), k.rows(), v.rows(), output.rows(),
                                    scratch.data(), softmax.data(), inputs.dropout});
  (bf16 ? level.attention_backward_bfloat16 : level.attention_backward_float32)(
      {queries, keys, heads, size, q.rows(), k.rows(), v.rows(), g.rows(), softmax.data(), inputs.dropout, dq.rows(),
       dk.rows(), dv.rows(), more.data()});
  if (!scratch.kept_within()) report(level, "attention stays within its scratch memory", false);
  if (!more.kept_within()) report(level, "attention's backward stays within its scratch memory", false);
  const auto title = std::string("attention ") + name_of(type) + ", " + std::to_string(queries) + " queries, " +
                     std::to_string(keys) + " keys, " + std::to_string(heads) + " heads of " + std::to_string(size) +
                     (rate > 0 ? ", dropout" : "");
  const double bound = bf16 ? 0.01 : 1e-5;
  report(level, title, read(output.rows(), queries, width, type), plain::attention(inputs), bound, 0.5);
  const auto wanted = plain::attention_backward(inputs, gradient);
  const auto compare = [&](const char* of, const Storage& found, int64_t rows, const Matrix& expected) {
    // A slope is a difference of sums over the keys that have been rounded.
    report(level, title + ", gradient of " + of, read(found.rows(), rows, width, type), expected, 3 * bound, 1);
  };
  compare("queries", dq, queries, wanted.query);
  compare("keys", dk, keys, wanted.key);
  compare("values", dv, keys, wanted.value);
}

/// The copies of `rows` for each product type against the rows themselves.
void report_copy(const Kernels& level, const std::string& title, const ComputeCopy& copy, const Matrix& exact) {
  if (copy.type == ElementType::bfloat16) {
    report(level, title + ", its bf16 copy", read(copy.rows, exact.rows, exact.columns, copy.type), exact, 0.0045,
           1e-6);
  } else if (copy.type == ElementType::int8) {
    double greatest = 0;
    for (const auto value : exact.values) greatest = std::fmax(greatest, std::fabs(value));
    report(level, title + ", its int8 copy", read_integers(level, copy, exact.rows, exact.columns), exact,
           0.501 / 127 * greatest, 1);
  }
}

constexpr ElementType copy_types[] = {ElementType::float32, ElementType::int8, ElementType::bfloat16};

struct Norm {
  std::vector<double> weight, bias;
  std::vector<float> weights, biases;
  explicit Norm(int64_t columns) : weight(random_vector(columns, 7)), bias(random_vector(columns, 8)) {
    weights = floats(weight);
    biases = floats(bias);
    weights.resize((columns + 15) / 16 * 16);
    biases.resize((columns + 15) / 16 * 16);
  }
  NormWeights view() const { return {weights.data(), biases.data(), 1e-12F}; }
};

void test_norm(const Kernels& level, int64_t rows, int64_t columns, ElementType copy_type) {
  const auto branch = random_matrix(rows, columns, 10), residual = random_matrix(rows, columns, 11);
  const Norm norm(columns);
  const Storage b(rows, columns, 4), r(rows, columns, 4), copies(rows, columns, level.element_bytes(copy_type));
  write(branch, b.rows(), ElementType::float32);
  write(residual, r.rows(), ElementType::float32);
  std::vector<RowScale> scales(rows);
  const ComputeCopy copy = {copy_type, copies.rows(), scales.data()};
  level.residual_norm({rows, columns, b.rows(), r.rows(), norm.view(), r.rows(), copy});
  auto sum = branch;
  for (size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += residual.values[i];
  const auto title = "residual norm, " + std::to_string(rows) + " rows of " + std::to_string(columns);
  const auto found = read(r.rows(), rows, columns, ElementType::float32);
  report(level, title, found, plain::layer_norm(sum, norm.weight, norm.bias, 1e-12), 1e-5, 0.5);
  report_copy(level, title, copy, found);
}

void test_embedding(const Kernels& level, int64_t tokens, int64_t columns, ElementType copy_type) {
  constexpr int64_t vocabulary = 50;
  const auto words = random_matrix(vocabulary, columns, 12), positions = random_matrix(tokens, columns, 13);
  const auto types = random_matrix(2, columns, 14);
  const auto word_table = floats(words.values), position_table = floats(positions.values);
  const auto type_table = floats(types.values);
  const Norm norm(columns);
  std::vector<int32_t> ids(tokens);
  std::vector<uint8_t> kinds(tokens);
  Matrix sum(tokens, columns);
  for (int64_t t = 0; t < tokens; ++t) {
    ids[t] = static_cast<int32_t>(vocabulary - 1 - t % vocabulary);
    kinds[t] = t % 2;
    for (int64_t c = 0; c < columns; ++c) sum.at(t, c) = words.at(ids[t], c) + positions.at(t, c) + types.at(t % 2, c);
  }
  const Storage exact(tokens, columns, 4), copies(tokens, columns, level.element_bytes(copy_type));
  std::vector<RowScale> scales(tokens);
  const ComputeCopy copy = {copy_type, copies.rows(), scales.data()};
  level.embed({tokens, columns, ids.data(), kinds.data(), word_table.data(), position_table.data(), type_table.data(),
               norm.view(), exact.rows(), copy});
  const auto title = "embedding, " + std::to_string(tokens) + " tokens of " + std::to_string(columns);
  const auto found = read(exact.rows(), tokens, columns, ElementType::float32);
  report(level, title, found, plain::layer_norm(sum, norm.weight, norm.bias, 1e-12), 1e-5, 0.5);
  report_copy(level, title, copy, found);
}

void test_conversion(const Kernels& level, int64_t rows, int64_t columns, ElementType from) {
  auto values = random_matrix(rows, columns, 15, from);
  for (int64_t c = 0; c < columns; ++c) values.at(rows - 1, c) = 0;  // a row without a scale
  const Storage input(rows, columns, level.element_bytes(from)), copies(rows, columns, level.int8_bytes);
  write(values, input.rows(), from);
  std::vector<RowScale> scales(rows);
  const ComputeCopy copy = {ElementType::int8, copies.rows(), scales.data()};
  level.convert({rows, columns, input.rows(), from, copy});
  report_copy(level, std::string("conversion from ") + name_of(from) + ", " + std::to_string(columns) + " columns",
              copy, values);
}

bool all_nan(const Matrix& matrix) {
  return std::all_of(matrix.values.begin(), matrix.values.end(), [](double value) { return std::isnan(value); });
}

/// A broken weight or activation must show in the scores; whole numbers and a softmax's maximum could hide it.
void test_nan(const Kernels& level, ElementType type) {
  constexpr int64_t in = 70, out = 40;
  const std::string name = name_of(type);
  auto input = random_matrix(1, in, 16), weight = random_matrix(out, in, 17);
  const auto product = [&](const Matrix& rows, const Matrix& matrix) {
    const auto weights = floats(matrix.values);
    const PackedWeights packed(level, type, weights.data(), nullptr, out, in, loop);
    const Storage exact(1, in, 4), inputs(1, in, level.element_bytes(type)), output(1, out, 4);
    RowScale scale;
    write(rows, exact.rows(), ElementType::float32);
    if (type == ElementType::int8) {
      level.convert({1, in, exact.rows(), ElementType::float32, {type, inputs.rows(), &scale}});
    } else {
      write(rows, inputs.rows(), type);
    }
    const auto multiply = type == ElementType::float32    ? level.gemm_float32
                          : type == ElementType::bfloat16 ? level.gemm_bfloat16
                                                          : level.gemm_int8;
    uint64_t ticks = 0;
    multiply({1, inputs.rows(), &scale, packed.view(), TileEnd::relu, output.rows(), ElementType::float32, &ticks});
    return read(output.rows(), 1, out, ElementType::float32);
  };
  auto broken_input = input, broken_weight = weight;
  broken_input.at(0, 33) = NAN;
  for (int64_t o = 0; o < out; ++o) broken_weight.at(o, 33) = NAN;
  report(level, "linear " + name + " shows an input that is no number", all_nan(product(broken_input, weight)));
  report(level, "linear " + name + " shows weights that are no numbers", all_nan(product(input, broken_weight)));
  if (type == ElementType::int8) return;
  for (const bool in_query : {true, false}) {
    constexpr int64_t size = 32, keys = 37;
    auto query = random_matrix(1, size, 18), key = random_matrix(keys, size, 19);
    (in_query ? query : key).at(0, 5) = NAN;
    const int64_t bytes = level.element_bytes(type);
    const Storage q(1, size, bytes), k(keys, size, bytes), v(keys, size, bytes), output(1, size, bytes);
    write(query, q.rows(), type);
    write(key, k.rows(), type);
    write(random_matrix(keys, size, 20), v.rows(), type);
    const AlignedBuffer scratch(attention_scratch(keys, size));
    (type == ElementType::float32 ? level.attention_float32 : level.attention_bfloat16)(
        {1, keys, 1, size, q.rows(), k.rows(), v.rows(), output.rows(), scratch.data()});
    report(level, "attention " + name + " shows a " + (in_query ? "query" : "key") + " that is no number",
           all_nan(read(output.rows(), 1, size, type)));
  }
}

/// What an activation keeps for backward, the gradient through it, and the gradient of weights: the products of
/// training.
void test_training_products(const Kernels& level, ElementType type, int64_t rows, int64_t in, int64_t out) {
  const int64_t bytes = level.element_bytes(type);
  const bool bf16 = type == ElementType::bfloat16;
  const auto multiply = bf16 ? level.gemm_bfloat16 : level.gemm_float32;
  const auto title = std::string("training ") + name_of(type) + ", " + std::to_string(rows) + " rows, " +
                     std::to_string(in) + " -> " + std::to_string(out) + ": ";
  const double bound = bf16 ? 0.0045 : 1e-5, scale = std::sqrt(static_cast<double>(in));
  const auto input = random_matrix(rows, in, 22, type), weight = random_matrix(out, in, 23, type);
  const auto gradient = random_matrix(rows, out, 24, type);
  const auto bias = random_vector(out, 25);
  const auto weights = floats(weight.values), biases = floats(bias);
  const Storage x(rows, in, bytes), g(rows, out, bytes), before(rows, out, bytes), after(rows, out, bytes);
  write(input, x.rows(), type);
  write(gradient, g.rows(), type);
  uint64_t ticks = 0;
  const PackedWeights forward(level, type, weights.data(), biases.data(), out, in, loop);
  multiply({rows, x.rows(), nullptr, forward.view(), TileEnd::gelu, after.rows(), type, &ticks, before.rows()});
  const auto linear = plain::linear(input, weight, bias, TileEnd::none);
  report(level, title + "kept before the activation", read(before.rows(), rows, out, type), linear, bound, scale);
  report(level, title + "activation", read(after.rows(), rows, out, type),
         plain::linear(input, weight, bias, TileEnd::gelu), bound, scale);

  // The weights the other way round, packed from their own rows, and a slope.
  const int64_t group = 4 / bytes;
  const auto steps_of = [&](int64_t numbers) {
    return ((numbers + group - 1) / group + level.step_multiple - 1) / level.step_multiple * level.step_multiple;
  };
  const auto panels_of = [&](int64_t columns, int64_t steps) {
    AlignedBuffer panels((columns + level.panel_width - 1) / level.panel_width * steps * level.panel_width * 4);
    std::memset(panels.data(), 0xff, panels.size());
    return panels;
  };
  const int64_t back_steps = steps_of(out);
  const auto back = panels_of(in, back_steps);
  const Rows weight_rows = {reinterpret_cast<char*>(const_cast<float*>(weights.data())), 4 * in};
  level.pack_rows({out, in, weight_rows, ElementType::float32, TileEnd::none, type, back.data(), back_steps, 0,
                   back_steps * group - out});
  const std::pair<TileEnd, TileEnd> activations[] = {{TileEnd::gelu, TileEnd::gelu_slope},
                                                     {TileEnd::gelu_tanh, TileEnd::gelu_tanh_slope},
                                                     {TileEnd::relu, TileEnd::relu_slope}};
  for (const auto& [activation, slope] : activations) {
    const Storage result(rows, in, bytes);
    multiply(
        {rows, g.rows(), nullptr, {back.data(), out, in, back_steps}, slope, result.rows(), type, &ticks, x.rows()});
    Matrix wanted(rows, in);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < in; ++i) {
        for (int64_t o = 0; o < out; ++o) wanted.at(r, i) += gradient.at(r, o) * weight.at(o, i);
        wanted.at(r, i) *= plain::slope(input.at(r, i), activation);
      }
    }
    report(level, title + "gradient through activation " + std::to_string(static_cast<int>(activation)),
           read(result.rows(), rows, in, type), wanted, bound, std::sqrt(static_cast<double>(out)));
  }

  // The gradient of the weights: rows in two parts, of which the first ends before a whole group, become steps.
  const int64_t first = std::min<int64_t>(rows, rows / 2 | 1), second = (first + 1) / 2 * 2;
  const int64_t steps = steps_of(second + rows - first);
  const auto panels = panels_of(in, steps);
  const Storage turned(out, steps * group, bytes);
  const auto place = [&](int64_t from, int64_t count, int64_t to, int64_t zeros) {
    level.transpose({count, out, {g.rows().row(from), g.rows().stride}, type, turned.rows(), to, zeros});
    level.pack_rows(
        {count, in, {x.rows().row(from), x.rows().stride}, type, TileEnd::gelu, type, panels.data(), steps, to, zeros});
  };
  place(0, first, 0, second - first);
  place(first, rows - first, second, steps * group - second - (rows - first));
  auto sums = floats(random_matrix(out, in, 26).values);  // without slack
  const auto started = sums;
  multiply({out,
            turned.rows(),
            nullptr,
            {panels.data(), steps * group, in, steps},
            TileEnd::add,
            {reinterpret_cast<char*>(sums.data()), 4 * in},
            ElementType::float32,
            &ticks});
  Matrix found(out, in), wanted(out, in);
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      found.at(o, i) = sums[o * in + i];
      wanted.at(o, i) = started[o * in + i];
      for (int64_t r = 0; r < rows; ++r) {
        wanted.at(o, i) += gradient.at(r, o) * rounded(plain::activated(input.at(r, i), TileEnd::gelu), type);
      }
    }
  }
  // An activation at the edge of two bf16 numbers may be rounded to the other one.
  report(level, title + "gradient of the weights", found, wanted, bf16 ? 0.001 : 1e-5,
         std::sqrt(static_cast<double>(rows)));
}

void test_linear_layers(const Kernels& level) {
  const std::vector<LinearCase> every = {{1, 26, 1, TileEnd::none},    {7, 64, 26, TileEnd::gelu},
                                         {13, 26, 64, TileEnd::relu},  {33, 64, 100, TileEnd::gelu_tanh},
                                         {31, 130, 33, TileEnd::none}, {48, 31, 17, TileEnd::gelu}};
  const std::vector<LinearCase> large = {{1, 768, 2304, TileEnd::none},   {511, 312, 312, TileEnd::gelu},
                                         {193, 3072, 100, TileEnd::none}, {65, 384, 1536, TileEnd::gelu},
                                         {50, 1024, 130, TileEnd::none},  {512, 64, 64, TileEnd::gelu_tanh}};
  auto cases = every;
  if (!small) cases.insert(cases.end(), large.begin(), large.end());
  for (const auto& shape : cases) {
    test_linear(level, ElementType::float32, ElementType::float32, shape);
    test_linear(level, ElementType::int8, ElementType::float32, shape);
    test_linear(level, ElementType::bfloat16, ElementType::float32, shape);
    test_linear(level, ElementType::bfloat16, ElementType::bfloat16, shape);
    test_linear(level, ElementType::int8, ElementType::bfloat16, shape);
  }
}

void test_level(const Kernels& level) {
  test_linear_layers(level);
  for (const auto type : {ElementType::float32, ElementType::bfloat16}) {
    test_training_products(level, type, 1, 26, 31);
    test_training_products(level, type, 37, 64, 26);
    test_training_products(level, type, 66, 39, 100);
    if (!small) test_training_products(level, type, 200, 312, 384);
    for (const int64_t size : {16, 26}) {
      test_attention(level, type, 1, 7, 3, size, 0.1);
      test_attention(level, type, 65, 65, 2, size, 0.1);
    }
    for (const int64_t size : {16, 26, 32, 64}) {
      test_attention(level, type, 1, 1, 2, size);
      test_attention(level, type, 1, 37, 2, size);
      test_attention(level, type, 33, 33, 2, size);
      if (small) continue;
      test_attention(level, type, 511, 511, 1, size);
      test_attention(level, type, 512, 512, 1, size);
    }
  }
  for (const auto type : copy_types) {
    for (const int64_t columns : {1, 26, 64, 312, 384, 768, 1024}) {
      if (small && columns > 400) continue;
      test_norm(level, 5, columns, type);
      test_embedding(level, 3, columns, type);
    }
  }
  for (const int64_t columns : {26, 312, 768}) {
    test_conversion(level, 4, columns, ElementType::float32);
    test_conversion(level, 4, columns, ElementType::bfloat16);
  }
  for (const auto type : copy_types) test_nan(level, type);
  for (const int64_t columns : {1, 63, 64, 65, 500}) test_dropout(level, columns);
  level.release();
}

}  // namespace

int main(int count, char** arguments) {
  small = count > 1 && std::strcmp(arguments[1], "small") == 0;
  const Kernels* levels[8];
  const int found = kernel_levels(levels, 8);
  for (int i = 0; i < found; ++i) test_level(*levels[i]);
  return all_ok ? 0 : 1;
}
