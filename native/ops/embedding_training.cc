#include "ops/embedding_training.h"

#include <algorithm>

#include "ops/row.h"
#include "ops/vectorize.h"

namespace rank_distillm {
namespace {

RANK_DISTILLM_VECTORIZE
void add_three(const float* a, const float* b, const float* c, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = a[i] + b[i] + c[i];
}

}  // namespace

void embed_training(const PackedBatch& batch, const Block& block, const TrainableEmbedding& embedding,
                    const Dropout& dropout, const RowId* ids, const int32_t* positions, const Rows& exact,
                    const NormState& state) {
  const int64_t width = embedding.norm.columns;
  for (int64_t t = 0; t < block.tokens; ++t) {
    const int64_t token = block.first_token + t;
    add_three(embedding.word.values + batch.input_ids[token] * width,
              embedding.position.values + positions[token] * width,
              embedding.type.values + batch.token_type_ids[token] * width, exact.floats(t), width);
  }
  residual_layer_norm_training({block.tokens, exact, {}, exact}, embedding.norm, Dropout(), nullptr, state);
  drop_rows(exact, block.tokens, width, dropout, ids + block.first_token);
}

void embed_backward_norm(const Block& block, const TrainableEmbedding& embedding, const Dropout& dropout,
                         const RowId* ids, const NormState& state, const Rows& gradient, float* sums) {
  drop_rows(gradient, block.tokens, embedding.norm.columns, dropout, ids + block.first_token);
  residual_layer_norm_backward({block.tokens, gradient, gradient}, embedding.norm, Dropout(), ids + block.first_token,
                               state, sums);
}

void embed_backward_tables(const PackedBatch& batch, const Block& block, const TrainableEmbedding& embedding,
                           const int32_t* positions, const Rows& gradient, int64_t first) {
  const int64_t width = embedding.norm.columns, count = std::min(table_slice, width - first);
  for (int64_t t = 0; t < block.tokens; ++t) {
    const int64_t token = block.first_token + t;
    const auto* row = gradient.floats(t) + first;
    const int64_t word = batch.input_ids[token], position = positions[token];
    const auto add = [&](const TrainableEmbedding::Table& table, int64_t id) {
      add_row(row, table.gradient + id * width + first, count);
    };
    if (word != embedding.padding_id) add(embedding.word, word);
    if (position != embedding.padding_position) add(embedding.position, position);
    if (embedding.type.gradient != nullptr) add(embedding.type, batch.token_type_ids[token]);
  }
}

}  // namespace rank_distillm
