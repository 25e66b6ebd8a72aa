#include "ops/attention.h"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

namespace rank_distillm {
namespace {

/// Columns [column, column + hidden) of `sequences` · `rows` packed rows, seen as [sequences, heads, rows, head_size].
at::Tensor heads_view(const at::Tensor& packed, int64_t first_row, int64_t sequences, int64_t rows, int64_t column,
                      int64_t hidden, int64_t heads) {
  return packed.narrow(0, first_row, sequences * rows)
      .narrow(1, column, hidden)
      .unflatten(1, {heads, hidden / heads})
      .unflatten(0, {sequences, rows})
      .transpose(1, 2);
}

void attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, const at::Tensor& output) {
  output.copy_(std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(query, key, value)));
}

}  // namespace

at::Tensor self_attention(const at::Tensor& qkv, int64_t heads, const std::vector<EqualLengthRun>& runs) {
  const int64_t hidden = qkv.size(1) / 3;
  const auto output = at::empty({qkv.size(0), hidden}, qkv.options());
  for (const auto& run : runs) {
    const auto view = [&](const at::Tensor& packed, int64_t column) {
      return heads_view(packed, run.first_token, run.sequences, run.length, column, hidden, heads);
    };
    attend(view(qkv, 0), view(qkv, hidden), view(qkv, 2 * hidden), view(output, 0));
  }
  return output;
}

at::Tensor first_row_attention(const at::Tensor& query, const at::Tensor& kv, int64_t heads,
                               const std::vector<EqualLengthRun>& runs) {
  const int64_t hidden = query.size(1);
  const auto output = at::empty_like(query);
  for (const auto& run : runs) {
    const auto one_row = [&](const at::Tensor& rows) {
      return heads_view(rows, run.first_sequence, run.sequences, 1, 0, hidden, heads);
    };
    const auto all_rows = [&](int64_t column) {
      return heads_view(kv, run.first_token, run.sequences, run.length, column, hidden, heads);
    };
    attend(one_row(query), all_rows(0), all_rows(hidden), one_row(output));
  }
  return output;
}

}  // namespace rank_distillm
