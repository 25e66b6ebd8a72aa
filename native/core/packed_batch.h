#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace rank_distillm {

/// Sequences packed end to end: sequence i is [cu_seqlens[i], cu_seqlens[i + 1]). No padding, no mask.
struct PackedBatch {
  std::vector<int32_t> input_ids;       // [tokens]
  std::vector<uint8_t> token_type_ids;  // [tokens]
  std::vector<int32_t> cu_seqlens;      // [sequences + 1]

  int64_t sequences() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
};

/// Consecutive sequences of a batch that pass all layers together.
struct Block {
  int64_t first_sequence;
  int64_t sequences;
  int64_t first_token;
  int64_t tokens;
};

/// Tokens whose positions follow each other.
struct PositionRun {
  int64_t first_token;
  int64_t tokens;
  int64_t position;  // of the first token: a row of the position table
};

/// The positions of a block's tokens: each sequence counts from `first`. Where that is above 0, the model is a RoBERTa:
/// a token `first - 1`, its padding, has that position wherever it stands and is not counted.
std::vector<PositionRun> position_runs(const PackedBatch& batch, const Block& block, int64_t first);

/// The same, a number for each token.
std::vector<int32_t> token_positions(const PackedBatch& batch, const Block& block, int64_t first);

/// Rejects ids outside the vocabulary, empty or too long sequences and inconsistent offsets. TypeScript has checked the
/// same with better messages; this protects the memory.
void check_batch(const PackedBatch& batch, int64_t vocab_size, int64_t type_vocab_size, int64_t max_positions);

/// Splits a batch at sequence borders into blocks of at most `token_budget` tokens (more only for one long sequence).
std::vector<Block> cut_blocks(const PackedBatch& batch, int64_t token_budget);

/// The block that begins with sequence `first`, of at most `token_budget` tokens (more only for one long sequence). It
/// is an even share of the remaining tokens, so that the last block is as large as the others.
Block next_even_block(const PackedBatch& batch, int64_t first, int64_t token_budget);

/// More tokens do not fit into a core's caches.
inline constexpr int64_t largest_block_tokens = 768;

/// Tokens of the next block where `left` are left for `threads` threads that take block after block: a share of them,
/// and at least what is worth another pass over all weights.
inline int64_t shrinking_block_tokens(int64_t left, int threads) {
  return std::clamp<int64_t>(left / (int64_t{2} * threads), 128, largest_block_tokens);
}

/// Splits a batch for `threads` threads that take block after block. Each block is a share of the remaining tokens: the
/// first blocks are large, and the last are small enough that no thread waits long at the end.
std::vector<Block> cut_shrinking_blocks(const PackedBatch& batch, int threads);

}  // namespace rank_distillm
