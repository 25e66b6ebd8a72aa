// Kernels of single rows: LayerNorm, embeddings, conversions, rotation and dropout.

#include "kernel_cases.h"

namespace rank_distillm {
namespace {

/// Compares the copy of `exact` for the next product with the rows themselves.
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
    report(level, title + ", its " + name_of(copy.type) + " copy",
           read_integers(level, copy, exact.rows, exact.columns), wanted, 0.501 * step, 1);
  }
}

/// Memory for the copy of rows in the type of the next product.
struct CopyStorage {
  ElementType type;
  Storage rows;
  std::vector<RowScale> scales;
  Scratch rotated;

  CopyStorage(ElementType type, int64_t count, int64_t columns)
      : type(type), rows(count, columns, element_bytes(type)), scales(count), rotated(row_stride(columns, 4)) {}
  ComputeCopy view() { return {type, rows.rows(), scales.data(), reinterpret_cast<float*>(rotated.data())}; }
};

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

void test_norm(const Levels& levels, int64_t rows, int64_t columns, ElementType copy_type) {
  const auto branch = random_matrix(rows, columns, 10), residual = random_matrix(rows, columns, 11);
  const Norm norm(columns);
  auto sum = branch;
  for (size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += residual.values[i];
  const auto expected = reference::layer_norm(sum, norm.weight, norm.bias, 1e-12);
  const auto title = "residual norm, " + std::to_string(rows) + " rows of " + std::to_string(columns);
  for (const auto* level : levels) {
    const Storage b(rows, columns, 4), r(rows, columns, 4);
    write(branch, b.rows(), ElementType::float32);
    write(residual, r.rows(), ElementType::float32);
    CopyStorage copy(copy_type, rows, columns);
    level->residual_norm({rows, columns, b.rows(), r.rows(), norm.view(), r.rows(), copy.view()});
    const auto found = read(r.rows(), rows, columns, ElementType::float32);
    report(*level, title, found, expected, 1e-5, 0.5);
    report_copy(*level, title, copy.view(), found);
  }
}

void test_embedding(const Levels& levels, int64_t tokens, int64_t columns, ElementType copy_type) {
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
  const auto expected = reference::layer_norm(sum, norm.weight, norm.bias, 1e-12);
  const auto title = "embedding, " + std::to_string(tokens) + " tokens of " + std::to_string(columns);
  for (const auto* level : levels) {
    const Storage exact(tokens, columns, 4);
    CopyStorage copy(copy_type, tokens, columns);
    level->embed({tokens, columns, ids.data(), kinds.data(), word_table.data(), position_table.data(),
                  type_table.data(), norm.view(), exact.rows(), copy.view()});
    const auto found = read(exact.rows(), tokens, columns, ElementType::float32);
    report(*level, title, found, expected, 1e-5, 0.5);
    report_copy(*level, title, copy.view(), found);
  }
}

void test_conversion(const Levels& levels, int64_t rows, int64_t columns, ElementType from, ElementType to) {
  auto values = random_matrix(rows, columns, 15, from);
  for (int64_t c = 0; c < columns; ++c) values.at(rows - 1, c) = 0;  // a row without a scale
  const Storage input(rows, columns, element_bytes(from));
  write(values, input.rows(), from);
  for (const auto* level : levels) {
    CopyStorage copy(to, rows, columns);
    level->convert({rows, columns, input.rows(), from, copy.view()});
    report_copy(*level, std::string("conversion from ") + name_of(from) + ", " + std::to_string(columns) + " columns",
                copy.view(), values);
  }
}

void test_widening(const Levels& levels, int64_t rows, int64_t columns) {
  const auto values = random_matrix(rows, columns, 27, ElementType::bfloat16);
  const Storage input(rows, columns, 2);
  write(values, input.rows(), ElementType::bfloat16);
  for (const auto* level : levels) {
    const Storage output(rows, columns, 4);
    level->convert({rows, columns, input.rows(), ElementType::bfloat16, {ElementType::float32, output.rows()}});
    report(*level, "bf16 to float32, " + std::to_string(columns) + " columns",
           read(output.rows(), rows, columns, ElementType::float32), values, 0, 1);
  }
}

void test_rotation(const Levels& levels, int64_t columns) {
  const auto values = random_matrix(1, columns, 29), expected = reference::rotated(values);
  const auto input = floats(values.values);
  for (const auto* level : levels) {
    std::vector<float> output(columns);
    level->rotate({columns, input.data(), output.data()});
    Matrix found(1, columns);
    std::copy(output.begin(), output.end(), found.values.begin());
    report(*level, "rotation of " + std::to_string(columns) + " columns", found, expected, 1e-6, 4);
  }
}

void test_dropout(const Levels& levels, int64_t columns) {
  const auto mask = dropout_mask(0.3);
  Matrix expected(1, columns + 1);
  for (int64_t c = 0; c < columns; ++c) expected.at(0, c) = reference::dropout_factor(mask, c);
  expected.at(0, columns) = 42;  // stays: nothing is written after the row
  for (const auto* level : levels) {
    std::vector<float> factors(columns + 1, 42);
    level->dropout({mask, columns, factors.data()});
    Matrix found(1, columns + 1);
    std::copy(factors.begin(), factors.end(), found.values.begin());
    report(*level, "dropout of " + std::to_string(columns) + " values", found, expected, 0, 1);
  }
}

}  // namespace

void test_rows(const Levels& levels, bool small) {
  for (const auto type : product_types) {
    for (const int64_t columns : {1, 26, 64, 312, 384, 768, 1024}) {
      if (small && columns > 400) continue;
      test_norm(levels, 5, columns, type);
      test_embedding(levels, 3, columns, type);
    }
    if (!are_integers(type)) continue;
    for (const int64_t columns : {26, 312, 768}) {
      test_conversion(levels, 4, columns, ElementType::float32, type);
      test_conversion(levels, 4, columns, ElementType::bfloat16, type);
    }
  }
  for (const int64_t columns : {26, 312, 768}) test_widening(levels, 4, columns);
  for (const int64_t columns : {1, 16, 26, 48, 96, 192, 312, 384, 768}) test_rotation(levels, columns);
  for (const int64_t columns : {1, 63, 64, 65, 500}) test_dropout(levels, columns);
}

}  // namespace rank_distillm
