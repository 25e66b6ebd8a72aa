#include "core/packed_batch.h"

#include <string>

#include "core/error.h"

namespace rank_distillm {

void check_batch(const PackedBatch& batch, int64_t vocab_size, int64_t type_vocab_size, int64_t max_positions) {
  const auto tokens = static_cast<int64_t>(batch.input_ids.size());
  const auto& offsets = batch.cu_seqlens;
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != tokens) {
    throw bad_input("cuSeqlens must start with 0 and end with the number of tokens");
  }
  if (static_cast<int64_t>(batch.token_type_ids.size()) != tokens) {
    throw bad_input("tokenTypeIds must be as long as inputIds");
  }
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t length = static_cast<int64_t>(offsets[i + 1]) - offsets[i];
    if (length < 1 || length > max_positions) {
      throw bad_input("sequence " + std::to_string(i) + " has " + std::to_string(length) +
                      " tokens; the model takes 1 to " + std::to_string(max_positions));
    }
  }
  for (int64_t i = 0; i < tokens; ++i) {
    if (batch.input_ids[i] < 0 || batch.input_ids[i] >= vocab_size) {
      throw bad_input("token id " + std::to_string(batch.input_ids[i]) + " is outside the model's vocabulary of " +
                      std::to_string(vocab_size));
    }
    if (batch.token_type_ids[i] >= type_vocab_size) {
      throw bad_input("token type " + std::to_string(batch.token_type_ids[i]) + " is outside the model's " +
                      std::to_string(type_vocab_size) + " types");
    }
  }
}

std::vector<Block> cut_blocks(const PackedBatch& batch, int64_t token_budget) {
  std::vector<Block> blocks;
  for (int64_t i = 0; i < batch.sequences(); ++i) {
    const int64_t start = batch.cu_seqlens[i];
    const int64_t length = batch.cu_seqlens[i + 1] - start;
    if (blocks.empty() || blocks.back().tokens + length > token_budget) blocks.push_back({i, 0, start, 0});
    blocks.back().sequences += 1;
    blocks.back().tokens += length;
  }
  return blocks;
}

std::vector<EqualLengthRun> equal_length_runs(const PackedBatch& batch, const Block& block) {
  std::vector<EqualLengthRun> runs;
  for (int64_t i = 0; i < block.sequences; ++i) {
    const int64_t start = batch.cu_seqlens[block.first_sequence + i];
    const int64_t length = batch.cu_seqlens[block.first_sequence + i + 1] - start;
    if (runs.empty() || runs.back().length != length) runs.push_back({i, start - block.first_token, 0, length});
    runs.back().sequences += 1;
  }
  return runs;
}

}  // namespace rank_distillm
