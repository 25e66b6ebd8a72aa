// Shared by the files of the test of ops: its groups of cases, and inputs in the engine's layouts.
#pragma once

#include <cstring>
#include <vector>

#include "compare.h"
#include "core/aligned_buffer.h"
#include "kernels/kernels.h"
#include "train/training_batch.h"

namespace rank_distillm {

/// Linear layers, LayerNorm and attention.
void test_layer_ops();

/// Embeddings, pooling, heads and AdamW.
void test_model_ops();

inline at::Tensor values_of(const Rows& rows, int64_t count, int64_t columns) {
  return at::from_blob(rows.data, {count, columns}, {rows.stride / 4, 1}, at::kFloat).clone();
}

/// A tensor's values in the layout of kernels.
class RowsOf {
 public:
  explicit RowsOf(const at::Tensor& values)
      : count_(values.size(0)), columns_(values.size(1)), buffer_(count_ * row_stride(columns_, 4)) {
    const auto numbers = values.contiguous();
    for (int64_t r = 0; r < count_; ++r) {
      std::memcpy(rows().row(r), numbers.const_data_ptr<float>() + r * columns_, columns_ * 4);
    }
  }
  Rows rows() const { return {buffer_.data(), row_stride(columns_, 4)}; }
  at::Tensor values() const { return values_of(rows(), count_, columns_); }

 private:
  int64_t count_, columns_;
  AlignedBuffer buffer_;
};

inline TrainingBatch batch_of(const std::vector<int64_t>& lengths, int64_t vocabulary) {
  TrainingBatch batch;
  batch.packed.cu_seqlens.push_back(0);
  for (size_t i = 0; i < lengths.size(); ++i) {
    for (int64_t t = 0; t < lengths[i]; ++t) {
      batch.packed.input_ids.push_back(static_cast<int32_t>((t * 7 + i) % vocabulary));
      batch.packed.token_type_ids.push_back(static_cast<uint8_t>(t > lengths[i] / 2));
    }
    batch.packed.cu_seqlens.push_back(static_cast<int32_t>(batch.packed.input_ids.size()));
    batch.pairs.push_back(static_cast<uint32_t>(i));
  }
  return batch;
}

}  // namespace rank_distillm
