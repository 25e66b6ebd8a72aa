#pragma once

#include <cstdint>
#include <vector>

namespace rank_distillm {

/// Sequences laid end to end; sequence i is [cu_seqlens[i], cu_seqlens[i + 1]). No padding, no mask.
struct PackedBatch {
  std::vector<int32_t> input_ids;       // [tokens]
  std::vector<uint8_t> token_type_ids;  // [tokens]
  std::vector<int32_t> cu_seqlens;      // [sequences + 1]

  int64_t sequences() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
};

/// Some consecutive sequences of a batch that go through all layers together.
struct Block {
  int64_t first_sequence;
  int64_t sequences;
  int64_t first_token;
  int64_t tokens;
};

/// Sequences of one length that stand next to each other in a block; attention takes them in one call.
struct EqualLengthRun {
  int64_t first_sequence;  // within the block
  int64_t first_token;     // within the block
  int64_t sequences;
  int64_t length;
};

/// Refuses ids outside the vocabulary, empty or too long sequences and offsets that do not add up. TypeScript has
/// checked the same with better words; this guards the memory.
void check_batch(const PackedBatch& batch, int64_t vocab_size, int64_t type_vocab_size, int64_t max_positions);

/// Cuts a batch on sequence borders into blocks of at most `token_budget` tokens (more only for one long sequence).
std::vector<Block> cut_blocks(const PackedBatch& batch, int64_t token_budget);

std::vector<EqualLengthRun> equal_length_runs(const PackedBatch& batch, const Block& block);

}  // namespace rank_distillm
