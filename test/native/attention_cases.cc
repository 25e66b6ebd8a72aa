// Attention forward and backward.

#include "kernel_cases.h"

namespace rank_distillm {
namespace {

struct AttentionCase {
  int64_t queries, keys, heads, size;
  double dropout = 0;
};

void test_attention(const Levels& levels, ElementType type, const AttentionCase& shape) {
  const auto& [queries, keys, heads, size, rate] = shape;
  const int64_t width = heads * size, bytes = element_bytes(type);
  const reference::AttentionInputs inputs = {random_matrix(queries, width, 4, type),
                                             random_matrix(keys, width, 5, type), random_matrix(keys, width, 6, type),
                                             heads, rate > 0 ? dropout_mask(rate) : DropoutMask{}};
  const auto gradient = random_matrix(queries, width, 21, type);
  const auto expected = reference::attention(inputs);
  const auto expected_gradients = reference::attention_backward(inputs, gradient);
  const Storage q(queries, width, bytes), k(keys, width, bytes), v(keys, width, bytes), g(queries, width, bytes);
  write(inputs.query, q.rows(), type);
  write(inputs.key, k.rows(), type);
  write(inputs.value, v.rows(), type);
  write(gradient, g.rows(), type);
  const auto title = std::string("attention ") + name_of(type) + ", " + std::to_string(queries) + " queries, " +
                     std::to_string(keys) + " keys, " + std::to_string(heads) + " heads of " + std::to_string(size) +
                     (rate > 0 ? ", dropout" : "");
  const double bound = type == ElementType::bfloat16 ? 0.01 : 1e-5;
  for (const auto* level : levels) {
    const Storage output(queries, width, bytes), dq(queries, width, bytes), dk(keys, width, bytes),
        dv(keys, width, bytes);
    const Scratch scratch(attention_scratch(keys, size)), backward_scratch(attention_backward_scratch(keys, size));
    std::vector<float> softmax(2 * queries * heads);
    level->attention_of(type)({queries, keys, heads, size, q.rows(), k.rows(), v.rows(), output.rows(), scratch.data(),
                               softmax.data(), inputs.dropout});
    level->attention_backward_of(type)({queries, keys, heads, size, q.rows(), k.rows(), v.rows(), g.rows(),
                                        softmax.data(), inputs.dropout, dq.rows(), dk.rows(), dv.rows(),
                                        backward_scratch.data()});
    if (!scratch.kept_within()) report(*level, "attention stays within its scratch memory", false);
    if (!backward_scratch.kept_within()) report(*level, "attention's backward stays within its scratch memory", false);
    report(*level, title, read(output.rows(), queries, width, type), expected, bound, 0.5);
    const auto compare = [&](const char* input, const Storage& found, int64_t rows, const Matrix& wanted) {
      // A score's gradient is a difference of rounded sums over the keys.
      report(*level, title + ", gradient of " + input, read(found.rows(), rows, width, type), wanted, 3 * bound, 1);
    };
    compare("queries", dq, queries, expected_gradients.query);
    compare("keys", dk, keys, expected_gradients.key);
    compare("values", dv, keys, expected_gradients.value);
  }
}

/// A broken query or key must show in the scores: the softmax's maximum could hide it.
void test_nan(const Levels& levels, ElementType type, bool in_query) {
  constexpr int64_t size = 32, keys = 37;
  auto query = random_matrix(1, size, 18), key = random_matrix(keys, size, 19);
  (in_query ? query : key).at(0, 5) = NAN;
  const int64_t bytes = element_bytes(type);
  const Storage q(1, size, bytes), k(keys, size, bytes), v(keys, size, bytes);
  write(query, q.rows(), type);
  write(key, k.rows(), type);
  write(random_matrix(keys, size, 20), v.rows(), type);
  for (const auto* level : levels) {
    const Storage output(1, size, bytes);
    const Scratch scratch(attention_scratch(keys, size));
    level->attention_of(type)({1, keys, 1, size, q.rows(), k.rows(), v.rows(), output.rows(), scratch.data()});
    report(*level, std::string("attention ") + name_of(type) + " shows a NaN of a " + (in_query ? "query" : "key"),
           all_nan(read(output.rows(), 1, size, type)));
  }
}

}  // namespace

void test_attention(const Levels& levels, bool small) {
  for (const auto type : {ElementType::float32, ElementType::bfloat16}) {
    for (const int64_t size : {16, 26}) {
      test_attention(levels, type, {1, 7, 3, size, 0.1});
      test_attention(levels, type, {65, 65, 2, size, 0.1});
    }
    for (const int64_t size : {16, 26, 32, 64}) {
      test_attention(levels, type, {1, 1, 2, size});
      test_attention(levels, type, {1, 37, 2, size});
      test_attention(levels, type, {33, 33, 2, size});
      if (small) continue;
      test_attention(levels, type, {511, 511, 1, size});
      test_attention(levels, type, {512, 512, 1, size});
    }
    for (const bool in_query : {true, false}) test_nan(levels, type, in_query);
  }
}

}  // namespace rank_distillm
