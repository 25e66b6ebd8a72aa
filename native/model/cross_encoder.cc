#include "model/cross_encoder.h"

#include <ATen/ops/from_blob.h>

#include <chrono>
#include <cstring>

#include "ops/pooling.h"

namespace rank_distillm {
CrossEncoder::CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors)
    : CrossEncoder(options, Weights(std::move(tensors))) {}

CrossEncoder::CrossEncoder(const ModelOptions& options, Weights weights)
    : options_(options),
      precision_(scoring_precision(options.encoder, options.precision)),
      encoder_(options.encoder, precision_, rows_needed(options.head.pooling), weights),
      head_(options.encoder, options.head, weights) {
  holds(weights.allocated_bytes());
}

void CrossEncoder::score_block(const PackedBatch& batch, const Block& block, float* scores, const CancelFlag& cancel,
                               Counters& counters) const {
  const OpTimer timer(counters.ticks.all);
  auto& memory = thread_workspace();
  const auto rows = encoder_.forward(batch, block, memory, cancel, counters);
  const auto pooling = options_.head.pooling;
  if (pooling == Pooling::first) {
    head_.forward(block.sequences, rows, scores, memory, counters);
    return;
  }
  const int64_t width = options_.encoder.hidden_size;
  const auto hidden = at::from_blob(rows.data, {block.tokens, width}, {rows.stride / 4, 1}, at::kFloat);
  const auto pooled = pool(hidden, batch, block, pooling);
  const auto pooled_rows = memory.rows(Slot::first, block.sequences, width, 4);
  for (int64_t s = 0; s < block.sequences; ++s) {
    std::memcpy(pooled_rows.row(s), pooled.const_data_ptr<float>() + s * width, 4 * width);
  }
  head_.forward(block.sequences, pooled_rows, scores, memory, counters);
}

Scores CrossEncoder::score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) {
  const auto& config = options_.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  const auto start = std::chrono::steady_clock::now();
  const auto first_tick = __rdtsc();
  const auto blocks = cut_shrinking_blocks(batch, workers.count());
  std::vector<Counters> counters(blocks.size());
  Scores scores;
  scores.values.resize(batch.sequences());
  workers.run(static_cast<int64_t>(blocks.size()), [&](int64_t i) {
    score_block(batch, blocks[i], scores.values.data() + blocks[i].first_sequence, cancel, counters[i]);
  });
  for (const auto& part : counters) scores.counters += part;
  scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  scores.seconds_per_tick = scores.seconds / static_cast<double>(__rdtsc() - first_tick);
  return scores;
}

}  // namespace rank_distillm
