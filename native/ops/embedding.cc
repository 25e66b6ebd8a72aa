#include "ops/embedding.h"

#include <ATen/ops/empty.h>

#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

RANK_DISTILLM_VECTORIZE
void add_three(const float* a, const float* b, const float* c, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = a[i] + b[i] + c[i];
}

}  // namespace

at::Tensor embed(const PackedBatch& batch, const Block& block, const Embedding& embedding) {
  const int64_t width = embedding.word.size(1);
  const auto exact = at::empty({block.tokens, width}, at::kFloat);
  const auto* words = embedding.word.const_data_ptr<float>();
  const auto* positions = embedding.position.const_data_ptr<float>();
  const auto* types = embedding.type.const_data_ptr<float>();
  auto* row = exact.data_ptr<float>();
  for (int64_t s = block.first_sequence; s < block.first_sequence + block.sequences; ++s) {
    const int64_t start = batch.cu_seqlens[s];
    for (int64_t t = start; t < batch.cu_seqlens[s + 1]; ++t, row += width) {
      add_three(words + batch.input_ids[t] * width, positions + (t - start) * width,
                types + batch.token_type_ids[t] * width, row, width);
      layer_norm_row(row, width, embedding.norm);
    }
  }
  return exact;
}

}  // namespace rank_distillm
