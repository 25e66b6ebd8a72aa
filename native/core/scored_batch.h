#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/counters.h"
#include "core/packed_batch.h"

namespace rank_distillm {

struct Scores {
  std::vector<float> values;  // [sequences], in the batch's order
  Counters counters;
  double seconds = 0;           // of the engine's threads, divided by their number
  double seconds_per_tick = 0;  // of `counters.ticks`
  int64_t halved_to = 0;        // tokens per block after running out of memory halved it; 0 if it did not
};

/// What a block has cost.
struct BlockCost {
  Counters counters;   // without the time of blocks that came between its layers
  uint64_t ticks = 0;  // with it
  double seconds = 0;  // with it
};

class ScoredBatch;

/// Consecutive sequences of a batch.
struct BatchPart {
  std::shared_ptr<ScoredBatch> batch;
  int64_t first;
  int64_t sequences;
  int64_t tokens;
};

/// A batch with the scores that blocks have given it so far, on any threads.
class ScoredBatch {
 public:
  ScoredBatch(PackedBatch packed, int threads);

  const PackedBatch& packed() const { return packed_; }

  /// Scores of a part that ran in a block of `block_tokens`. It bears its share of the cost, by tokens.
  void add(const BatchPart& part, const float* values, const BlockCost& cost, int64_t block_tokens);

  /// After the last part.
  Scores result();

 private:
  PackedBatch packed_;
  int threads_;
  std::mutex mutex_;
  Scores scores_;
  double ticks_ = 0;
};

/// The sequences of parts as a batch of their own.
PackedBatch gather(const std::vector<BatchPart>& parts);

}  // namespace rank_distillm
