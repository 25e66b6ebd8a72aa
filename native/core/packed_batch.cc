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
    if (batch.token_type_ids[i] > 0 && batch.token_type_ids[i] >= type_vocab_size) {
      throw bad_input("token type " + std::to_string(batch.token_type_ids[i]) + " is outside the model's " +
                      std::to_string(type_vocab_size) + " types");
    }
  }
}

std::vector<PositionRun> position_runs(const PackedBatch& batch, const Block& block, int64_t first) {
  const int64_t padding = first - 1;
  std::vector<PositionRun> runs;
  for (int64_t s = block.first_sequence; s < block.first_sequence + block.sequences; ++s) {
    const int64_t end = batch.cu_seqlens[s + 1];
    int64_t position = first;
    for (int64_t start = batch.cu_seqlens[s]; start < end;) {
      const bool is_padding = batch.input_ids[start] == padding;
      int64_t stop = is_padding ? start + 1 : padding < 0 ? end : start;
      while (!is_padding && stop < end && batch.input_ids[stop] != padding) ++stop;
      runs.push_back({start, stop - start, is_padding ? padding : position});
      if (!is_padding) position += stop - start;
      start = stop;
    }
  }
  return runs;
}

std::vector<int32_t> token_positions(const PackedBatch& batch, const Block& block, int64_t first) {
  std::vector<int32_t> positions;
  positions.reserve(block.tokens);
  for (const auto& run : position_runs(batch, block, first)) {
    for (int64_t t = 0; t < run.tokens; ++t) positions.push_back(static_cast<int32_t>(run.position + t));
  }
  return positions;
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
  return cut(batch, [threads](int64_t left) { return shrinking_block_tokens(left, threads); });
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
