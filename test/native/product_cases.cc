// Products of linear layers with their epilogues.

#include "kernel_cases.h"

namespace rank_distillm {
namespace {

struct LinearCase {
  int64_t rows, in, out;
  Epilogue epilogue;
};

/// The kernel fills what is after the columns with zeros: the next product reads it.
bool has_zeros_behind(const Rows& rows, int64_t count, int64_t used_bytes) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t b = used_bytes; b < rows.stride; ++b) {
      if (rows.row(r)[b] != 0) return false;
    }
  }
  return true;
}

void test_linear(const Levels& levels, ElementType type, const LinearCase& shape) {
  const auto& [rows, in, out, epilogue] = shape;
  const auto input = random_matrix(rows, in, 1, type);
  auto weight = random_matrix(out, in, 2, type);
  for (auto& value : weight.values) value = rounded(value / std::sqrt(static_cast<double>(in)), type);
  const auto bias = random_vector(out, 3);
  Matrix rounded_input, rounded_weight, expected;
  for (const auto* level : levels) {
    Product product(*level, type, input, weight, bias);
    auto own_input = product.rounded_input(), own_weight = product.rounded_weight();
    // Most levels round to the same integers, and share the reference.
    if (own_input.values != rounded_input.values || own_weight.values != rounded_weight.values) {
      expected = reference::linear(own_input, own_weight, bias, epilogue);
      rounded_input = std::move(own_input);
      rounded_weight = std::move(own_weight);
    }
    for (const auto stored : {ElementType::float32, ElementType::bfloat16}) {
      if (stored == ElementType::bfloat16 && type == ElementType::float32) continue;
      const Storage output(rows, out, element_bytes(stored));
      product.run(epilogue, stored, output.rows());
      const std::string title = std::string("linear ") + name_of(type) + " to " + name_of(stored) + ", " +
                                std::to_string(rows) + " rows, " + std::to_string(in) + " x " + std::to_string(out) +
                                ", epilogue " + std::to_string(static_cast<int>(epilogue));
      report(*level, title, read(output.rows(), rows, out, stored), expected, bound_of(stored), 0.5);
      if (!has_zeros_behind(output.rows(), rows, out * element_bytes(stored))) {
        report(*level, title + ", zeros behind the rows", false);
      }
    }
  }
}

/// Two columns of 384 are 40 times as large as the others, as in trained encoders. Bytes of rows that are not
/// rotated leave the other columns about ten different integers, and the product is off by .026 of its size.
void test_outliers(const Levels& levels, ElementType type) {
  constexpr int64_t rows = 20, in = 384, out = 64;
  auto input = random_matrix(rows, in, 30);
  for (int64_t r = 0; r < rows; ++r) {
    for (const int64_t c : {77, 203}) input.at(r, c) = (r % 2 == 0 ? 40 : -40) + input.at(r, c);
  }
  const auto weight = random_matrix(out, in, 31);
  const auto expected = reference::linear(input, weight, std::vector<double>(out), Epilogue::none);
  for (const auto* level : levels) {
    const auto found = Product(*level, type, input, weight).run(Epilogue::none);
    Matrix error(1, 1);
    double squares = 0;
    for (size_t i = 0; i < expected.values.size(); ++i) {
      error.values[0] += std::pow(found.values[i] - expected.values[i], 2);
      squares += std::pow(expected.values[i], 2);
    }
    error.values[0] = std::sqrt(error.values[0] / squares);
    report(*level, std::string("linear ") + name_of(type) + " of rows with two large columns", error, Matrix(1, 1),
           type == ElementType::int8 ? 0.015 : 0.0006, 1);
  }
}

/// Equal rows and weights give the largest possible sum of products.
void test_greatest_sums(const Levels& levels, ElementType type, int64_t in) {
  Matrix input(1, in), weight(3, in);
  input.values.assign(in, 1);
  weight.values.assign(3 * in, -2);
  const auto expected = reference::linear(input, weight, std::vector<double>(3), Epilogue::none);
  // A sum that overflows its 32 bits is wrong by twice its size; in int16 all roundings here are the same ones.
  const double bound = type == ElementType::int8 ? 1e-6 : std::sqrt(static_cast<double>(in)) / 46000;
  for (const auto* level : levels) {
    report(*level, std::string("the greatest ") + name_of(type) + " sums of " + std::to_string(in) + " columns",
           Product(*level, type, input, weight).run(Epilogue::none), expected, bound, 0);
  }
}

/// A broken weight or activation must show in the scores: integers could hide it.
void test_nan(const Levels& levels, ElementType type) {
  constexpr int64_t in = 70, out = 40;
  const auto input = random_matrix(1, in, 16), weight = random_matrix(out, in, 17);
  auto broken_input = input, broken_weight = weight;
  broken_input.at(0, 33) = NAN;
  for (int64_t o = 0; o < out; ++o) broken_weight.at(o, 33) = NAN;
  for (const auto* level : levels) {
    report(*level, std::string("linear ") + name_of(type) + " shows a NaN of the input",
           all_nan(Product(*level, type, broken_input, weight).run(Epilogue::relu)));
    report(*level, std::string("linear ") + name_of(type) + " shows a NaN of the weights",
           all_nan(Product(*level, type, input, broken_weight).run(Epilogue::relu)));
  }
}

}  // namespace

void test_products(const Levels& levels, bool small) {
  std::vector<LinearCase> cases = {{1, 26, 1, Epilogue::none},
                                   {7, 64, 26, Epilogue::gelu},
                                   {13, 26, 64, Epilogue::relu},
                                   {33, 64, 100, Epilogue::gelu_tanh},
                                   {31, 130, 33, Epilogue::none},
                                   {48, 31, 17, Epilogue::gelu},
                                   // more rows and columns than any level takes at a time, and more steps
                                   {195, 300, 150, Epilogue::gelu},
                                   {13, 800, 40, Epilogue::none}};
  const std::vector<LinearCase> large = {{1, 768, 2304, Epilogue::none},   {511, 312, 312, Epilogue::gelu},
                                         {193, 3072, 100, Epilogue::none}, {65, 384, 1536, Epilogue::gelu},
                                         {50, 1024, 130, Epilogue::none},  {512, 64, 64, Epilogue::gelu_tanh}};
  if (!small) cases.insert(cases.end(), large.begin(), large.end());
  for (const auto type : product_types) {
    for (const auto& shape : cases) test_linear(levels, type, shape);
    test_nan(levels, type);
    if (!are_integers(type)) continue;
    test_outliers(levels, type);
    for (const int64_t in : {1, 7, 1001, 5003}) test_greatest_sums(levels, type, in);
  }
}

}  // namespace rank_distillm
