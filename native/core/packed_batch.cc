#include "core/packed_batch.h"

#include <algorithm>
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

namespace {

/// `budget(remaining tokens)` limits the next block's tokens.
template <typename Budget>
std::vector<Block> cut(const PackedBatch& batch, const Budget& budget) {
  std::vector<Block> blocks;
  const int64_t all = static_cast<int64_t>(batch.input_ids.size());
  int64_t room = 0;
  for (int64_t i = 0; i < batch.sequences(); ++i) {
    const int64_t start = batch.cu_seqlens[i];
    const int64_t length = batch.cu_seqlens[i + 1] - start;
    if (blocks.empty() || blocks.back().tokens + length > room) {
      blocks.push_back({i, 0, start, 0});
      room = budget(all - start);
    }
    blocks.back().sequences += 1;
    blocks.back().tokens += length;
  }
  return blocks;
}

}  // namespace

std::vector<Block> cut_blocks(const PackedBatch& batch, int64_t token_budget) {
  return cut(batch, [token_budget](int64_t) { return token_budget; });
}

std::vector<Block> cut_shrinking_blocks(const PackedBatch& batch, int threads) {
  // Fewer tokens are not worth another pass over all weights; more do not fit into a core's caches.
  return cut(batch, [threads](int64_t left) { return std::clamp<int64_t>(left / (int64_t{2} * threads), 128, 768); });
}

Block next_even_block(const PackedBatch& batch, int64_t first, int64_t token_budget) {
  const int64_t start = batch.cu_seqlens[first], left = batch.cu_seqlens.back() - start;
  const int64_t blocks = (left + token_budget - 1) / token_budget, share = (left + blocks - 1) / blocks;
  Block block = {first, 0, start, 0};
  for (int64_t i = first; i < batch.sequences(); ++i) {
    const int64_t tokens = batch.cu_seqlens[i + 1] - start;
    if (block.sequences > 0 && tokens > share) break;
    block.sequences += 1;
    block.tokens = tokens;
  }
  return block;
}

}  // namespace rank_distillm
