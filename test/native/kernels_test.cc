// Compares every kernel of every level that this CPU has with its plain version in float64, at odd sizes. Prints one
// line of JSON per case; test/native/kernels.test.ts reads them. It links no library, so that it also runs on an
// emulated CPU. With the argument `small`, the large sizes are left out.

#include <cstdlib>

#include "kernel_cases.h"

namespace {

using namespace rank_distillm;
using reference::Matrix;

bool small = false;

struct LinearCase {
  int64_t rows, in, out;
  Epilogue end;
};

void test_linear(const Kernels& level, ElementType type, ElementType stored, const LinearCase& shape) {
  const auto& [rows, in, out, end] = shape;
  auto input = random_matrix(rows, in, 1, type);
  auto weight = random_matrix(out, in, 2, type);
  for (auto& value : weight.values) value = rounded(value / std::sqrt(static_cast<double>(in)), type);
  const auto bias = random_vector(out, 3);
  const auto weights = floats(weight.values), biases = floats(bias);
  const PackedWeights packed(level, type, weights.data(), biases.data(), out, in, loop);
  const Storage exact(rows, in, 4), inputs(rows, in, element_bytes(type));
  const Storage output(rows, out, stored == ElementType::bfloat16 ? 2 : 4);
  std::vector<RowScale> scales(rows);
  if (are_integers(type)) {
    write(input, exact.rows(), ElementType::float32);
    const Scratch rotated(row_stride(in, 4));
    const ComputeCopy copy = {type, inputs.rows(), scales.data(), reinterpret_cast<float*>(rotated.data())};
    level.convert({rows, in, exact.rows(), ElementType::float32, copy});
    input = read_integers(copy, rows, in);
    std::vector<float> rotated_weights(in);
    for (int64_t o = 0; o < out; ++o) {
      const float* row = weights.data() + o * in;
      float inverse = 1 / packed.view().scales[o], scale = packed.view().scales[o];
      if (type == ElementType::int8) {
        float greatest = 0;
        level.rotate({in, row, rotated_weights.data()});
        for (const auto value : rotated_weights) greatest = std::max(greatest, std::fabs(value));
        inverse = 127 / greatest;
        scale = greatest / 127 / static_cast<float>(rotation_factor(in));
        row = rotated_weights.data();
      }
      for (int64_t i = 0; i < in; ++i) weight.at(o, i) = std::nearbyint(row[i] * inverse) * scale;
    }
  } else {
    write(input, inputs.rows(), type);
  }
  const auto multiply = level.product_of(type);
  uint64_t ticks = 0;
  multiply({rows, inputs.rows(), scales.data(), packed.view(), end, output.rows(), stored, &ticks});
  const std::string title = std::string("linear ") + name_of(type) + " to " + name_of(stored) + ", " +
                            std::to_string(rows) + " rows, " + std::to_string(in) + " x " + std::to_string(out) +
                            ", end " + std::to_string(static_cast<int>(end));
  report(level, title, read(output.rows(), rows, out, stored), reference::linear(input, weight, bias, end),
         bound_of(stored), 0.5);
  // What lies behind the columns feeds the next product.
  double behind = 0;
  const int64_t used = out * (stored == ElementType::bfloat16 ? 2 : 4);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t b = used; b < output.rows().stride; ++b) behind += output.rows().row(r)[b] != 0;
  }
  if (behind != 0) report(level, title + ", zeros behind the rows", false);
}

/// The copies of `rows` for each product type against the rows themselves.
void report_copy(const Kernels& level, const std::string& title, const ComputeCopy& copy, const Matrix& exact) {
  if (copy.type == ElementType::bfloat16) {
    report(level, title + ", its bf16 copy", read(copy.rows, exact.rows, exact.columns, copy.type), exact, 0.0045,
           1e-6);
  } else if (are_integers(copy.type)) {
    const bool bytes = copy.type == ElementType::int8;
    const auto wanted = bytes ? reference::rotated(exact) : exact;
    double step = 0;
    for (int64_t r = 0; r < exact.rows; ++r) {
      double squares = 0, greatest = 0;
      for (int64_t c = 0; c < exact.columns; ++c) {
        squares += std::pow(wanted.at(r, c), 2);
        greatest = std::fmax(greatest, std::fabs(wanted.at(r, c)));
      }
      const double int16_step = std::fmax(std::sqrt(squares) / int16_norm(exact.columns), greatest / 32767);
      step = std::fmax(step, bytes ? greatest / 127 : int16_step);
    }
    report(level, title + ", its " + name_of(copy.type) + " copy", read_integers(copy, exact.rows, exact.columns),
           wanted, 0.501 * step, 1);
  }
}

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
  const Storage b(rows, columns, 4), r(rows, columns, 4), copies(rows, columns, element_bytes(copy_type));
  write(branch, b.rows(), ElementType::float32);
  write(residual, r.rows(), ElementType::float32);
  std::vector<RowScale> scales(rows);
  const Scratch rotated(row_stride(columns, 4));
  const ComputeCopy copy = {copy_type, copies.rows(), scales.data(), reinterpret_cast<float*>(rotated.data())};
  level.residual_norm({rows, columns, b.rows(), r.rows(), norm.view(), r.rows(), copy});
  auto sum = branch;
  for (size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += residual.values[i];
  const auto title = "residual norm, " + std::to_string(rows) + " rows of " + std::to_string(columns);
  const auto found = read(r.rows(), rows, columns, ElementType::float32);
  report(level, title, found, reference::layer_norm(sum, norm.weight, norm.bias, 1e-12), 1e-5, 0.5);
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
  const Storage exact(tokens, columns, 4), copies(tokens, columns, element_bytes(copy_type));
  std::vector<RowScale> scales(tokens);
  const Scratch rotated(row_stride(columns, 4));
  const ComputeCopy copy = {copy_type, copies.rows(), scales.data(), reinterpret_cast<float*>(rotated.data())};
  level.embed({tokens, columns, ids.data(), kinds.data(), word_table.data(), position_table.data(), type_table.data(),
               norm.view(), exact.rows(), copy});
  const auto title = "embedding, " + std::to_string(tokens) + " tokens of " + std::to_string(columns);
  const auto found = read(exact.rows(), tokens, columns, ElementType::float32);
  report(level, title, found, reference::layer_norm(sum, norm.weight, norm.bias, 1e-12), 1e-5, 0.5);
  report_copy(level, title, copy, found);
}

void test_conversion(const Kernels& level, int64_t rows, int64_t columns, ElementType from, ElementType to) {
  auto values = random_matrix(rows, columns, 15, from);
  for (int64_t c = 0; c < columns; ++c) values.at(rows - 1, c) = 0;  // a row without a scale
  const Storage input(rows, columns, element_bytes(from)), copies(rows, columns, element_bytes(to));
  write(values, input.rows(), from);
  std::vector<RowScale> scales(rows);
  const Scratch rotated(row_stride(columns, 4));
  const ComputeCopy copy = {to, copies.rows(), scales.data(), reinterpret_cast<float*>(rotated.data())};
  level.convert({rows, columns, input.rows(), from, copy});
  report_copy(level, std::string("conversion from ") + name_of(from) + ", " + std::to_string(columns) + " columns",
              copy, values);
}

void test_rotation(const Kernels& level, int64_t columns) {
  const auto values = random_matrix(1, columns, 29);
  const auto input = floats(values.values);
  std::vector<float> output(columns);
  level.rotate({columns, input.data(), output.data()});
  Matrix found(1, columns);
  std::copy(output.begin(), output.end(), found.values.begin());
  report(level, "rotation of " + std::to_string(columns) + " columns", found, reference::rotated(values), 1e-6, 4);
}

/// Two columns of 384 are 40 times as large as the others, as in trained encoders. Bytes of rows that are not
/// rotated leave the other columns some ten different integers, and the product is off by .026 of its size.
void test_outliers(const Kernels& level, ElementType type) {
  constexpr int64_t rows = 20, in = 384, out = 64;
  auto input = random_matrix(rows, in, 30);
  for (int64_t r = 0; r < rows; ++r) {
    for (const int64_t c : {77, 203}) input.at(r, c) = (r % 2 == 0 ? 40 : -40) + input.at(r, c);
  }
  const auto weight = random_matrix(out, in, 31);
  const auto weights = floats(weight.values);
  const PackedWeights packed(level, type, weights.data(), nullptr, out, in, loop);
  const Storage exact(rows, in, 4), inputs(rows, in, element_bytes(type)), output(rows, out, 4);
  const Scratch rotated(row_stride(in, 4));
  std::vector<RowScale> scales(rows);
  write(input, exact.rows(), ElementType::float32);
  level.convert({rows,
                 in,
                 exact.rows(),
                 ElementType::float32,
                 {type, inputs.rows(), scales.data(), reinterpret_cast<float*>(rotated.data())}});
  uint64_t ticks = 0;
  level.product_of(type)(
      {rows, inputs.rows(), scales.data(), packed.view(), Epilogue::none, output.rows(), ElementType::float32, &ticks});
  const auto found = read(output.rows(), rows, out, ElementType::float32);
  const auto wanted = reference::linear(input, weight, std::vector<double>(out), Epilogue::none);
  Matrix error(1, 1), nothing(1, 1);
  double squares = 0;
  for (size_t i = 0; i < wanted.values.size(); ++i) {
    error.values[0] += std::pow(found.values[i] - wanted.values[i], 2);
    squares += std::pow(wanted.values[i], 2);
  }
  error.values[0] = std::sqrt(error.values[0] / squares);
  report(level, std::string("linear ") + name_of(type) + " of rows with two large columns", error, nothing,
         type == ElementType::int8 ? 0.015 : 0.0006, 1);
}

/// Rows and weights that are alike take the sum of products to its greatest.
void test_greatest_sums(const Kernels& level, ElementType type, int64_t in) {
  Matrix input(1, in), weight(3, in);
  input.values.assign(in, 1);
  weight.values.assign(3 * in, -2);
  const auto weights = floats(weight.values);
  const PackedWeights packed(level, type, weights.data(), nullptr, 3, in, loop);
  const Storage exact(1, in, 4), inputs(1, in, element_bytes(type)), output(1, 3, 4);
  const Scratch rotated(row_stride(in, 4));
  RowScale scale;
  uint64_t ticks = 0;
  write(input, exact.rows(), ElementType::float32);
  level.convert({1,
                 in,
                 exact.rows(),
                 ElementType::float32,
                 {type, inputs.rows(), &scale, reinterpret_cast<float*>(rotated.data())}});
  level.product_of(type)(
      {1, inputs.rows(), &scale, packed.view(), Epilogue::none, output.rows(), ElementType::float32, &ticks});
  // A sum that has left its 32 bits is wrong by twice its size; in int16 all roundings here are the same ones.
  const double bound = type == ElementType::int8 ? 1e-6 : std::sqrt(static_cast<double>(in)) / 46000;
  report(level, std::string("the greatest ") + name_of(type) + " sums of " + std::to_string(in) + " columns",
         read(output.rows(), 1, 3, ElementType::float32),
         reference::linear(input, weight, std::vector<double>(3), Epilogue::none), bound, 0);
}

void test_widening(const Kernels& level, int64_t rows, int64_t columns) {
  const auto values = random_matrix(rows, columns, 27, ElementType::bfloat16);
  const Storage input(rows, columns, 2), output(rows, columns, 4);
  write(values, input.rows(), ElementType::bfloat16);
  level.convert({rows, columns, input.rows(), ElementType::bfloat16, {ElementType::float32, output.rows()}});
  report(level, "bf16 to float32, " + std::to_string(columns) + " columns",
         read(output.rows(), rows, columns, ElementType::float32), values, 0, 1);
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
    const Storage exact(1, in, 4), inputs(1, in, element_bytes(type)), output(1, out, 4);
    RowScale scale;
    write(rows, exact.rows(), ElementType::float32);
    if (are_integers(type)) {
      const Scratch rotated(row_stride(in, 4));
      level.convert({1,
                     in,
                     exact.rows(),
                     ElementType::float32,
                     {type, inputs.rows(), &scale, reinterpret_cast<float*>(rotated.data())}});
    } else {
      write(rows, inputs.rows(), type);
    }
    const auto multiply = level.product_of(type);
    uint64_t ticks = 0;
    multiply({1, inputs.rows(), &scale, packed.view(), Epilogue::relu, output.rows(), ElementType::float32, &ticks});
    return read(output.rows(), 1, out, ElementType::float32);
  };
  auto broken_input = input, broken_weight = weight;
  broken_input.at(0, 33) = NAN;
  for (int64_t o = 0; o < out; ++o) broken_weight.at(o, 33) = NAN;
  report(level, "linear " + name + " shows an input that is no number", all_nan(product(broken_input, weight)));
  report(level, "linear " + name + " shows weights that are no numbers", all_nan(product(input, broken_weight)));
  if (are_integers(type)) return;
  for (const bool in_query : {true, false}) {
    constexpr int64_t size = 32, keys = 37;
    auto query = random_matrix(1, size, 18), key = random_matrix(keys, size, 19);
    (in_query ? query : key).at(0, 5) = NAN;
    const int64_t bytes = element_bytes(type);
    const Storage q(1, size, bytes), k(keys, size, bytes), v(keys, size, bytes), output(1, size, bytes);
    write(query, q.rows(), type);
    write(key, k.rows(), type);
    write(random_matrix(keys, size, 20), v.rows(), type);
    const AlignedBuffer scratch(attention_scratch(keys, size));
    level.attention_of(type)({1, keys, 1, size, q.rows(), k.rows(), v.rows(), output.rows(), scratch.data()});
    report(level, "attention " + name + " shows a " + (in_query ? "query" : "key") + " that is no number",
           all_nan(read(output.rows(), 1, size, type)));
  }
}

void test_linear_layers(const Kernels& level) {
  const std::vector<LinearCase> every = {{1, 26, 1, Epilogue::none},
                                         {7, 64, 26, Epilogue::gelu},
                                         {13, 26, 64, Epilogue::relu},
                                         {33, 64, 100, Epilogue::gelu_tanh},
                                         {31, 130, 33, Epilogue::none},
                                         {48, 31, 17, Epilogue::gelu},
                                         // more rows, columns and steps than any level takes at a time
                                         {195, 300, 150, Epilogue::gelu}};
  const std::vector<LinearCase> large = {{1, 768, 2304, Epilogue::none},   {511, 312, 312, Epilogue::gelu},
                                         {193, 3072, 100, Epilogue::none}, {65, 384, 1536, Epilogue::gelu},
                                         {50, 1024, 130, Epilogue::none},  {512, 64, 64, Epilogue::gelu_tanh}};
  auto cases = every;
  if (!small) cases.insert(cases.end(), large.begin(), large.end());
  for (const auto& shape : cases) {
    for (const auto type : product_types) {
      test_linear(level, type, ElementType::float32, shape);
      if (type != ElementType::float32) test_linear(level, type, ElementType::bfloat16, shape);
    }
  }
}

void test_level(const Kernels& level) {
  test_linear_layers(level);
  for (const auto type : product_types) {
    for (const int64_t columns : {1, 26, 64, 312, 384, 768, 1024}) {
      if (small && columns > 400) continue;
      test_norm(level, 5, columns, type);
      test_embedding(level, 3, columns, type);
    }
  }
  for (const int64_t columns : {1, 16, 26, 48, 96, 192, 312, 384, 768}) test_rotation(level, columns);
  for (const auto type : product_types) {
    if (!are_integers(type)) continue;
    test_outliers(level, type);
    for (const int64_t in : {1, 7, 1001, 5003}) test_greatest_sums(level, type, in);
    for (const int64_t columns : {26, 312, 768}) {
      test_conversion(level, 4, columns, ElementType::float32, type);
      test_conversion(level, 4, columns, ElementType::bfloat16, type);
    }
  }
  for (const int64_t columns : {26, 312, 768}) test_widening(level, 4, columns);
  for (const auto type : product_types) test_nan(level, type);
  test_training_kernels(level, small);
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
