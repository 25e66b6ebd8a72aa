#include "model/cross_encoder.h"

#include <chrono>

#include "ops/pooling.h"

namespace rank_distillm {
CrossEncoder::CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors, Workers& workers)
    : CrossEncoder(options, Weights(std::move(tensors), loop_on(workers),
                                    options.arithmetic.tiles ? kernels() : kernels_without_tiles())) {}

CrossEncoder::CrossEncoder(const ModelOptions& options, Weights weights)
    : options_(options),
      arithmetic_(scoring_arithmetic(options)),
      encoder_(options.encoder, arithmetic_, rows_needed(options.head.pooling), weights),
      head_(options.encoder, options.head, weights) {
  weights.check_unchanged();
  holds(weights.allocated_bytes());
}

void CrossEncoder::check(const PackedBatch& batch) const {
  const auto& config = options_.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
}

void CrossEncoder::score_block(const std::vector<BatchPart>& parts, const std::function<void()>& between_layers) const {
  const auto batch = gather(parts);
  if (batch.sequences() == 0) return;
  std::vector<float> scores(batch.sequences());
  BlockCost cost;
  uint64_t elsewhere = 0;
  const auto start = std::chrono::steady_clock::now();
  {
    const OpTimer timer(cost.ticks);
    const auto pause = [&] {
      const OpTimer outside(elsewhere);
      between_layers();
    };
    score_all(batch, scores.data(), pause, cost.counters);
  }
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  cost.counters.ticks.all = cost.ticks - elsewhere;
  const float* values = scores.data();
  for (const auto& part : parts) {
    part.batch->add(part, values, cost, batch.cu_seqlens.back());
    values += part.sequences;
  }
}

void CrossEncoder::score_all(const PackedBatch& batch, float* scores, const std::function<void()>& between_layers,
                             Counters& counters) const {
  const ThreadWorkspace workspace;
  auto& memory = workspace.memory();
  const Block block = {0, batch.sequences(), 0, batch.cu_seqlens.back()};
  const auto hidden = encoder_.forward(batch, block, memory, between_layers, counters);
  auto pooled = hidden;
  if (const auto pooling = options_.head.pooling; pooling != Pooling::first) {
    const int64_t width = options_.encoder.hidden_size;
    pooled = memory.rows(Slot::first, block.sequences, width, 4);
    pool(hidden, width, batch, block, pooling, pooled);
  }
  head_.forward(block.sequences, pooled, scores, memory, counters);
}

}  // namespace rank_distillm
