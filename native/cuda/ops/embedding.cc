#include "cuda/ops/embedding.h"

#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include "cuda/ops/call.h"
#include "cuda/ops/dropout.h"

namespace rank_distillm {
namespace {

DeviceHidden reference_embed(const DeviceBlock& block, const DeviceEmbedding& embedding, const Dropout& dropout,
                             const DeviceTypes& types, DeviceNormState* state) {
  const auto rows = [](const DeviceTable& table, const at::Tensor& ids) {
    return at::index_select(table.values, 0, ids);
  };
  const auto sum = rows(embedding.word, block.ids)
                       .add_(rows(embedding.position, block.positions))
                       .add_(rows(embedding.type, block.types));
  const auto result = reference_norm(sum, embedding.norm, {types.compute, at::kFloat}, state);
  if (dropout.active()) result.exact.mul_(reference_dropout_factors(dropout, block.rows, sum.size(1)));
  const auto exact = result.exact.to(types.stream);
  return {exact, types.compute == types.stream ? exact : result.exact.to(types.compute)};
}

void add_rows(const DeviceTable& table, const at::Tensor& ids, const at::Tensor& gradient, int64_t padding_id) {
  table.gradient.add_(at::embedding_dense_backward(gradient, ids, table.values.size(0), padding_id, false));
}

}  // namespace

DeviceHidden embed(const DeviceBlock& block, const DeviceEmbedding& embedding, const Dropout& dropout,
                   const DeviceTypes& types, DeviceNormState* state) {
  const auto& word = embedding.word.values;
  if (!by_kernel(word)) return reference_embed(block, embedding, dropout, types, state);
  const int64_t columns = word.size(1);
  const auto rows = [&](at::ScalarType type) { return at::empty({block.tokens, columns}, word.options().dtype(type)); };
  const bool same = types.compute == types.stream;
  DeviceHidden result = {rows(types.stream), {}};
  result.compute = same ? result.exact : rows(types.compute);
  if (state != nullptr) *state = {rows(types.compute), at::empty({block.tokens}, word.options())};
  cuda::embedding_forward(
      {block.tokens, static_cast<int>(columns), block.ids.data_ptr<int32_t>(), block.positions.data_ptr<int32_t>(),
       block.types.data_ptr<int32_t>(), word.data_ptr<float>(), embedding.position.values.data_ptr<float>(),
       embedding.type.values.data_ptr<float>(), embedding.norm.weight.data_ptr<float>(),
       embedding.norm.bias.data_ptr<float>(), static_cast<float>(embedding.norm.eps), drop_call(dropout, block.rows),
       kernel_type(result.compute), kernel_type(result.exact), result.exact.data_ptr(),
       same ? nullptr : result.compute.data_ptr(), state == nullptr ? nullptr : state->normalized.data_ptr(),
       state == nullptr ? nullptr : state->scale.data_ptr<float>()},
      stream_of(word));
  return result;
}

void embed_backward(const DeviceBlock& block, const DeviceEmbedding& embedding, const Dropout& dropout,
                    const DeviceNormState& state, const at::Tensor& gradient) {
  drop_rows_(gradient, dropout, block.rows);
  const auto rows = residual_norm_backward(gradient, {}, embedding.norm, Dropout(), block.rows, state).residual;
  add_rows(embedding.word, block.ids, rows, embedding.padding_id);
  add_rows(embedding.position, block.positions, rows, embedding.padding_position);
  if (embedding.type.gradient.defined()) add_rows(embedding.type, block.types, rows, -1);
}

}  // namespace rank_distillm
