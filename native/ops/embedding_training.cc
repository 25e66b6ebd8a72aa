#include "ops/embedding_training.h"

#include <ATen/ops/empty.h>

#include "core/parallel.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

/// Columns a thread takes of all tables: each sum has one owner and one order, so no two runs differ.
constexpr int64_t slice_columns = 32;

RANK_DISTILLM_VECTORIZE
void add_three(const float* a, const float* b, const float* c, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = a[i] + b[i] + c[i];
}

RANK_DISTILLM_VECTORIZE
void add_to(float* values, const float* other, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] += other[i];
}

}  // namespace

at::Tensor embed_training(const PackedBatch& batch, const Embedding& embedding, const Dropout& dropout,
                          const std::vector<RowId>& ids, NormState& state) {
  const int64_t width = embedding.word.size(1);
  const auto tokens = static_cast<int64_t>(batch.input_ids.size());
  const auto sums = at::empty({tokens, width}, at::kFloat);
  const auto* words = embedding.word.const_data_ptr<float>();
  const auto* positions = embedding.position.const_data_ptr<float>();
  const auto* types = embedding.type.const_data_ptr<float>();
  auto* rows = sums.data_ptr<float>();
  parallel_for(tokens, row_grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      add_three(words + batch.input_ids[t] * width, positions + ids[t].token * width,
                types + batch.token_type_ids[t] * width, rows + t * width, width);
    }
  });
  const auto embedded =
      residual_layer_norm_training(sums, at::Tensor(), embedding.norm, Dropout(), ids, at::kFloat, state).exact;
  dropout_(embedded, dropout, ids);
  return embedded;
}

void embed_backward(const at::Tensor& gradient, const PackedBatch& batch, const Embedding& embedding,
                    int64_t padding_id, const Dropout& dropout, const std::vector<RowId>& ids, const NormState& state,
                    const EmbeddingGradients& gradients) {
  dropout_(gradient, dropout, ids);
  residual_layer_norm_backward(gradient, state, embedding.norm, Dropout(), ids, at::kFloat, gradients.norm);
  const int64_t tokens = gradient.size(0), width = gradient.size(1);
  const auto* rows = gradient.const_data_ptr<float>();
  auto* words = gradients.word.data_ptr<float>();
  auto* positions = gradients.position.data_ptr<float>();
  auto* types = gradients.type.data_ptr<float>();
  parallel_for((width + slice_columns - 1) / slice_columns, 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * slice_columns, count = std::min(width, end * slice_columns) - first;
    for (int64_t t = 0; t < tokens; ++t) {
      const auto* row = rows + t * width + first;
      if (batch.input_ids[t] != padding_id) add_to(words + batch.input_ids[t] * width + first, row, count);
      add_to(positions + ids[t].token * width + first, row, count);
      add_to(types + batch.token_type_ids[t] * width + first, row, count);
    }
  });
}

}  // namespace rank_distillm
