#include "cuda/ops/attention.h"

#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "cuda/ops/call.h"
#include "cuda/ops/dropout.h"

namespace rank_distillm {
namespace {

int64_t head_size(const DeviceAttention& attention, const AttentionInputs& inputs) {
  return inputs.query.size(1) / attention.heads;
}

cuda::AttentionShape shape_of(const DeviceAttention& attention, const AttentionInputs& inputs) {
  const auto& [block, queries, heads, dropout] = attention;
  auto drop = drop_call(dropout, block.first_rows);
  drop.tokens = nullptr;  // a query's token is its place in its sequence
  return {static_cast<int>(heads),
          static_cast<int>(head_size(attention, inputs)),
          queries.offsets.data_ptr<int32_t>(),
          block.all.offsets.data_ptr<int32_t>(),
          queries.tiles.data_ptr<int32_t>(),
          block.all.tiles.data_ptr<int32_t>(),
          static_cast<int>(queries.tiles.size(0)),
          static_cast<int>(block.all.tiles.size(0)),
          drop};
}

cuda::HeadRows rows_of(const at::Tensor& rows) { return {rows.data_ptr(), rows.stride(0)}; }
cuda::HeadRowsOut rows_into(const at::Tensor& rows) { return {rows.data_ptr(), rows.stride(0)}; }

/// One sequence of the reference, in float32 as [heads, rows, size].
struct ReferenceSequence {
  at::Tensor query, key, value, weights, factors;
  int64_t first_query = 0, queries = 0, first_key = 0, keys = 0;
};

at::Tensor by_head(const at::Tensor& rows, int64_t first, int64_t count, int64_t heads) {
  return rows.narrow(0, first, count).to(at::kFloat).reshape({count, heads, -1}).transpose(0, 1);
}

at::Tensor by_row(const at::Tensor& heads) { return heads.transpose(0, 1).reshape({heads.size(1), -1}); }

at::Tensor reference_factors(const DeviceAttention& attention, int64_t sequence, int64_t queries, int64_t keys) {
  auto factors = at::empty({attention.heads, queries, keys}, at::kFloat);
  const auto pair = static_cast<uint32_t>(attention.block.first_rows.pairs.const_data_ptr<int32_t>()[sequence]);
  for (int64_t head = 0; head < attention.heads; ++head) {
    for (int64_t q = 0; q < queries; ++q) {
      auto mask = attention.dropout.mask({pair, static_cast<uint32_t>(q)});
      mask.site += static_cast<uint32_t>(head) << 18;
      kernels().dropout({mask, keys, factors.data_ptr<float>() + (head * queries + q) * keys});
    }
  }
  return factors;
}

ReferenceSequence reference_sequence(const DeviceAttention& attention, const AttentionInputs& inputs, int64_t index) {
  const auto* query_offsets = attention.queries.offsets.const_data_ptr<int32_t>();
  const auto* key_offsets = attention.block.all.offsets.const_data_ptr<int32_t>();
  ReferenceSequence sequence;
  sequence.first_query = query_offsets[index];
  sequence.queries = query_offsets[index + 1] - sequence.first_query;
  sequence.first_key = key_offsets[index];
  sequence.keys = key_offsets[index + 1] - sequence.first_key;
  sequence.query = by_head(inputs.query, sequence.first_query, sequence.queries, attention.heads)
                       .div(std::sqrt(static_cast<double>(head_size(attention, inputs))));
  sequence.key = by_head(inputs.key, sequence.first_key, sequence.keys, attention.heads);
  sequence.value = by_head(inputs.value, sequence.first_key, sequence.keys, attention.heads);
  sequence.weights = at::matmul(sequence.query, sequence.key.transpose(1, 2));
  if (attention.dropout.active())
    sequence.factors = reference_factors(attention, index, sequence.queries, sequence.keys);
  return sequence;
}

AttentionOutput reference_attention(const DeviceAttention& attention, const AttentionInputs& inputs, bool keep) {
  const auto& query = inputs.query;
  AttentionOutput output = {at::empty({query.size(0), query.size(1)}, query.options()), {}};
  if (keep) output.log_sums = at::empty({query.size(0), attention.heads}, at::kFloat);
  for (int64_t s = 0; s < attention.block.sequences; ++s) {
    const auto sequence = reference_sequence(attention, inputs, s);
    auto weights = at::softmax(sequence.weights, -1);
    if (sequence.factors.defined()) weights = weights.mul(sequence.factors);
    output.context.narrow(0, sequence.first_query, sequence.queries).copy_(by_row(at::matmul(weights, sequence.value)));
    if (keep)
      output.log_sums.narrow(0, sequence.first_query, sequence.queries)
          .copy_(at::logsumexp(sequence.weights, {-1}).t());
  }
  return output;
}

void reference_attention_backward(const DeviceAttention& attention, const AttentionInputs& inputs,
                                  const AttentionOutput& output, const at::Tensor& gradient,
                                  const AttentionInputs& gradients) {
  const double scale = 1 / std::sqrt(static_cast<double>(head_size(attention, inputs)));
  for (int64_t s = 0; s < attention.block.sequences; ++s) {
    const auto sequence = reference_sequence(attention, inputs, s);
    const auto log_sums = output.log_sums.narrow(0, sequence.first_query, sequence.queries).t().unsqueeze(-1);
    const auto weights = sequence.weights.sub(log_sums).exp();
    const auto above = by_head(gradient, sequence.first_query, sequence.queries, attention.heads);
    auto slopes = at::matmul(above, sequence.value.transpose(1, 2));
    if (sequence.factors.defined()) slopes = slopes.mul(sequence.factors);
    const auto context = by_head(output.context, sequence.first_query, sequence.queries, attention.heads);
    const auto delta = context.mul(above).sum({-1}, true);
    const auto scores = weights.mul(slopes.sub(delta));
    const auto dropped = sequence.factors.defined() ? weights.mul(sequence.factors) : weights;
    gradients.query.narrow(0, sequence.first_query, sequence.queries)
        .copy_(by_row(at::matmul(scores, sequence.key)).mul_(scale));
    gradients.key.narrow(0, sequence.first_key, sequence.keys)
        .copy_(by_row(at::matmul(scores.transpose(1, 2), sequence.query)));
    gradients.value.narrow(0, sequence.first_key, sequence.keys)
        .copy_(by_row(at::matmul(dropped.transpose(1, 2), above)));
  }
}

/// LibTorch's FlashAttention 2 takes bfloat16 heads of whole 16-byte pieces. Its dropout depends on positions in the
/// batch, so we use it for scoring only; RANK_DISTILLM_CUDA_ATTENTION=own selects our kernel there for comparison.
bool takes_flash(const DeviceAttention& attention, const AttentionInputs& inputs, bool keep) {
  static const bool own = [] {
    const char* named = std::getenv("RANK_DISTILLM_CUDA_ATTENTION");
    return named != nullptr && std::strcmp(named, "own") == 0;
  }();
  const auto& query = inputs.query;
  const auto size = head_size(attention, inputs);
  return !own && query.is_cuda() && !keep && !attention.dropout.active() && query.scalar_type() == at::kBFloat16 &&
         size % 8 == 0 && size <= 256;
}

at::Tensor flash_attention(const DeviceAttention& attention, const AttentionInputs& inputs) {
  const auto size = head_size(attention, inputs);
  const auto heads = [&](const at::Tensor& rows) { return rows.unflatten(1, {attention.heads, size}); };
  const auto& keys = attention.block.all;
  const auto result = at::_flash_attention_forward(heads(inputs.query), heads(inputs.key), heads(inputs.value),
                                                   attention.queries.offsets, keys.offsets, attention.queries.longest,
                                                   keys.longest, /*dropout_p=*/0, /*is_causal=*/false,
                                                   /*return_debug_mask=*/false);
  return std::get<0>(result).reshape({inputs.query.size(0), inputs.query.size(1)});
}

}  // namespace

AttentionOutput device_attention(const DeviceAttention& attention, const AttentionInputs& inputs, bool keep) {
  const auto& query = inputs.query;
  if (!by_kernel(query)) return reference_attention(attention, inputs, keep);
  if (takes_flash(attention, inputs, keep)) return {flash_attention(attention, inputs), {}};
  AttentionOutput output = {at::empty({query.size(0), query.size(1)}, query.options()), {}};
  if (keep) output.log_sums = at::empty({query.size(0), attention.heads}, query.options().dtype(at::kFloat));
  cuda::attention_forward({shape_of(attention, inputs), kernel_type(query), rows_of(query), rows_of(inputs.key),
                           rows_of(inputs.value), rows_into(output.context), numbers_of<float>(output.log_sums)},
                          stream_of(query));
  return output;
}

void device_attention_backward(const DeviceAttention& attention, const AttentionInputs& inputs,
                               const AttentionOutput& output, const at::Tensor& gradient,
                               const AttentionInputs& gradients) {
  if (!by_kernel(gradient)) return reference_attention_backward(attention, inputs, output, gradient, gradients);
  const auto delta = at::empty_like(output.log_sums);
  cuda::attention_backward(
      {shape_of(attention, inputs), kernel_type(gradient), rows_of(inputs.query), rows_of(inputs.key),
       rows_of(inputs.value), rows_of(output.context), rows_of(gradient), output.log_sums.data_ptr<float>(),
       delta.data_ptr<float>(), rows_into(gradients.query), rows_into(gradients.key), rows_into(gradients.value)},
      stream_of(gradient));
}

}  // namespace rank_distillm
