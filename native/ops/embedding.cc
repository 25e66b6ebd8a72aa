#include "ops/embedding.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

namespace rank_distillm {

at::Tensor embed(const PackedBatch& batch, const Block& block, const Embedding& embedding) {
  const auto indices = at::empty({3, block.tokens}, at::kInt);
  auto* words = indices.data_ptr<int32_t>();
  auto* positions = words + block.tokens;
  auto* types = positions + block.tokens;
  for (int64_t s = block.first_sequence; s < block.first_sequence + block.sequences; ++s) {
    for (int64_t t = batch.cu_seqlens[s]; t < batch.cu_seqlens[s + 1]; ++t) {
      const int64_t row = t - block.first_token;
      words[row] = batch.input_ids[t];
      positions[row] = static_cast<int32_t>(t - batch.cu_seqlens[s]);
      types[row] = batch.token_type_ids[t];
    }
  }
  auto sum = at::index_select(embedding.word, 0, indices[0]);
  sum.add_(at::index_select(embedding.position, 0, indices[1]));
  sum.add_(at::index_select(embedding.type, 0, indices[2]));
  return layer_norm(sum, embedding.norm);
}

}  // namespace rank_distillm
