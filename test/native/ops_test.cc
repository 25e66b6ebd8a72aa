// Compares every op's backward with LibTorch's autograd in float64 with the same dropout masks. Prints one line of JSON
// per case, which test/native/test-program.ts reads.

#include "ops_test.h"

#include <cmath>

#include "ops/dropout.h"

namespace {

using namespace rank_distillm;

void test_dropout(double rate) {
  const int64_t rows = 200, columns = 977;
  const RowsOf ones(at::ones({rows, columns}));
  drop_rows(ones.rows(), rows, columns, dropout_of(rate, DropoutSite::attention_output), row_ids(rows).data());
  const auto values = ones.values();
  const auto dropped = values.eq(0).to(at::kDouble).mean().item<double>();
  const auto kept = values.max().item<double>();
  // ± 0.5 points; five standard deviations are 0.34 points at 200 · 977 draws
  report(title("dropout drops its share and scales the rest", {{"rate", rate}}),
         {{"share", at::tensor(std::abs(dropped - rate) <= 0.005 ? rate : dropped), at::tensor(rate).to(at::kDouble)},
          {"scale", at::tensor(kept), at::tensor(1 / (1 - rate)).to(at::kDouble)}});
}

/// Random123's known answer for Philox4x32-10 with counter and key zero (kat_vectors). A factor is 0 exactly if its
/// number is below the threshold, so a bisection over thresholds finds the number.
void test_philox() {
  const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const auto found = at::zeros({4}, at::kDouble), wanted = at::zeros({4}, at::kDouble);
  for (int i = 0; i < 4; ++i) {
    double low = 0, high = 1;
    for (int bit = 0; bit < 32; ++bit) {
      const double middle = (low + high) / 2;
      float factors[4];
      dropout_factors({middle, 0, 0, 0, DropoutSite::embeddings}, {0, 0}, factors, 4);
      (factors[i] == 0 ? high : low) = middle;
    }
    found[i] = low;
    wanted[i] = zero[i] / 4294967296.0;
  }
  report("masks are Philox4x32-10 (Random123's known answer)", {{"numbers", found, wanted}});
}

}  // namespace

int main() {
  at::manual_seed(42);
  test_philox();
  for (const double rate : {0.1, 0.5}) test_dropout(rate);
  test_layer_ops();
  test_model_ops();
  return failures == 0 ? 0 : 1;
}
