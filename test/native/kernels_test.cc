// Compares every kernel of every level that this CPU has with its float64 reference, at odd sizes. Prints one line of
// JSON per case, which test/native/test-program.ts reads. Links no library, so that it runs on an emulated CPU.
// usage: kernels_test [small] [products] [training-products] [attention] [rows]

#include "kernel_cases.h"

int main(int count, char** arguments) {
  using namespace rank_distillm;
  const std::vector<std::string> words(arguments + 1, arguments + count);
  const auto asked = [&](const char* word) { return std::find(words.begin(), words.end(), word) != words.end(); };
  const bool small = asked("small"), all = words.size() == (small ? 1 : 0);
  const Kernels* found[8];
  const Levels levels(found, found + kernel_levels(found, 8));
  if (all || asked("products")) test_products(levels, small);
  if (all || asked("training-products")) test_training_products(levels, small);
  if (all || asked("attention")) test_attention(levels, small);
  if (all || asked("rows")) test_rows(levels, small);
  levels.back()->release();
  return all_ok ? 0 : 1;
}
