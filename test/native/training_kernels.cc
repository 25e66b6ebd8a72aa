// The kernels of training: products and their ends, attention with its backward, dropout.

#include "kernel_cases.h"

namespace rank_distillm {
namespace {

DropoutMask mask_of(double rate) {
  return {static_cast<uint32_t>(rate * 4294967296.0), static_cast<float>(1 / (1 - rate)), 7, 3, 12, 5, 0};
}

void test_dropout(const Kernels& level, int64_t columns) {
  const auto mask = mask_of(0.3);
  std::vector<float> factors(columns + 1, 42);
  level.dropout({mask, columns, factors.data()});
  Matrix found(1, columns + 1), wanted(1, columns + 1);
  for (int64_t c = 0; c < columns; ++c) wanted.at(0, c) = reference::dropout_factor(mask, c);
  wanted.at(0, columns) = 42;
  std::copy(factors.begin(), factors.end(), found.values.begin());
  report(level, "dropout of " + std::to_string(columns) + " values", found, wanted, 0, 1);
}

void test_attention(const Kernels& level, ElementType type, int64_t queries, int64_t keys, int64_t heads, int64_t size,
                    double rate = 0) {
  const int64_t width = heads * size, bytes = element_bytes(type);
  const reference::AttentionInputs inputs = {random_matrix(queries, width, 4, type),
                                             random_matrix(keys, width, 5, type), random_matrix(keys, width, 6, type),
                                             heads, rate > 0 ? mask_of(rate) : DropoutMask{}};
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
  level.attention_of(type)({queries, keys, heads, size, q.rows(), k.rows(), v.rows(), output.rows(), scratch.data(),
                            softmax.data(), inputs.dropout});
  level.attention_backward_of(type)({queries, keys, heads, size, q.rows(), k.rows(), v.rows(), g.rows(), softmax.data(),
                                     inputs.dropout, dq.rows(), dk.rows(), dv.rows(), more.data()});
  if (!scratch.kept_within()) report(level, "attention stays within its scratch memory", false);
  if (!more.kept_within()) report(level, "attention's backward stays within its scratch memory", false);
  const auto title = std::string("attention ") + name_of(type) + ", " + std::to_string(queries) + " queries, " +
                     std::to_string(keys) + " keys, " + std::to_string(heads) + " heads of " + std::to_string(size) +
                     (rate > 0 ? ", dropout" : "");
  const double bound = bf16 ? 0.01 : 1e-5;
  report(level, title, read(output.rows(), queries, width, type), reference::attention(inputs), bound, 0.5);
  const auto wanted = reference::attention_backward(inputs, gradient);
  const auto compare = [&](const char* input, const Storage& found, int64_t rows, const Matrix& expected) {
    // A slope is a difference of sums over the keys that have been rounded.
    report(level, title + ", gradient of " + input, read(found.rows(), rows, width, type), expected, 3 * bound, 1);
  };
  compare("queries", dq, queries, wanted.query);
  compare("keys", dk, keys, wanted.key);
  compare("values", dv, keys, wanted.value);
}

/// What an activation keeps for backward, the gradient through it, and the gradient of weights: the products of
/// training.
void test_training_products(const Kernels& level, ElementType type, int64_t rows, int64_t in, int64_t out) {
  const int64_t bytes = element_bytes(type);
  const bool bf16 = type == ElementType::bfloat16;
  const auto multiply = level.product_of(type);
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
  multiply({rows, x.rows(), nullptr, forward.view(), Epilogue::gelu, after.rows(), type, &ticks, before.rows()});
  const auto linear = reference::linear(input, weight, bias, Epilogue::none);
  report(level, title + "kept before the activation", read(before.rows(), rows, out, type), linear, bound, scale);
  report(level, title + "activation", read(after.rows(), rows, out, type),
         reference::linear(input, weight, bias, Epilogue::gelu), bound, scale);

  // The weights the other way round, packed from their own rows, and a slope.
  const int64_t group = 4 / bytes;
  const auto panels_of = [&](int64_t columns, int64_t steps) {
    AlignedBuffer panels(panel_bytes(level, columns, steps));
    std::memset(panels.data(), 0xff, panels.size());
    return panels;
  };
  const int64_t back_steps = panel_steps(level, out, type);
  const auto back = panels_of(in, back_steps);
  const Rows weight_rows = {reinterpret_cast<char*>(const_cast<float*>(weights.data())), 4 * in};
  level.pack_rows({out, in, weight_rows, ElementType::float32, Epilogue::none, type, back.data(), back_steps, 0,
                   back_steps * group - out});
  const std::pair<Epilogue, Epilogue> activations[] = {{Epilogue::gelu, Epilogue::gelu_slope},
                                                       {Epilogue::gelu_tanh, Epilogue::gelu_tanh_slope},
                                                       {Epilogue::relu, Epilogue::relu_slope}};
  for (const auto& [activation, slope] : activations) {
    const Storage result(rows, in, bytes);
    multiply(
        {rows, g.rows(), nullptr, {back.data(), out, in, back_steps}, slope, result.rows(), type, &ticks, x.rows()});
    Matrix wanted(rows, in);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < in; ++i) {
        for (int64_t o = 0; o < out; ++o) wanted.at(r, i) += gradient.at(r, o) * weight.at(o, i);
        wanted.at(r, i) *= reference::slope(input.at(r, i), activation);
      }
    }
    report(level, title + "gradient through activation " + std::to_string(static_cast<int>(activation)),
           read(result.rows(), rows, in, type), wanted, bound, std::sqrt(static_cast<double>(out)));
  }

  // The gradient of the weights: rows in two parts, of which the first ends before a whole group, become steps.
  const int64_t first = std::min<int64_t>(rows, rows / 2 | 1), second = (first + 1) / 2 * 2;
  const int64_t steps = panel_steps(level, second + rows - first, type);
  const auto panels = panels_of(in, steps);
  const Storage transposed(out, steps * group, bytes);
  const auto place = [&](int64_t from, int64_t count, int64_t to, int64_t zeros) {
    level.transpose({count, out, {g.rows().row(from), g.rows().stride}, type, transposed.rows(), to, zeros});
    level.pack_rows({count,
                     in,
                     {x.rows().row(from), x.rows().stride},
                     type,
                     Epilogue::gelu,
                     type,
                     panels.data(),
                     steps,
                     to,
                     zeros});
  };
  place(0, first, 0, second - first);
  place(first, rows - first, second, steps * group - second - (rows - first));
  auto sums = floats(random_matrix(out, in, 26).values);  // without slack
  const auto started = sums;
  multiply({out,
            transposed.rows(),
            nullptr,
            {panels.data(), steps * group, in, steps},
            Epilogue::add,
            {reinterpret_cast<char*>(sums.data()), 4 * in},
            ElementType::float32,
            &ticks});
  Matrix found(out, in), wanted(out, in);
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      found.at(o, i) = sums[o * in + i];
      wanted.at(o, i) = started[o * in + i];
      for (int64_t r = 0; r < rows; ++r) {
        wanted.at(o, i) += gradient.at(r, o) * rounded(reference::activated(input.at(r, i), Epilogue::gelu), type);
      }
    }
  }
  // An activation at the edge of two bf16 numbers may be rounded to the other one.
  report(level, title + "gradient of the weights", found, wanted, bf16 ? 0.001 : 1e-5,
         std::sqrt(static_cast<double>(rows)));
}

}  // namespace

void test_training_kernels(const Kernels& level, bool small) {
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
  for (const int64_t columns : {1, 63, 64, 65, 500}) test_dropout(level, columns);
}

}  // namespace rank_distillm
