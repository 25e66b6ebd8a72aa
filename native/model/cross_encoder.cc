#include "model/cross_encoder.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/cpu.h"
#include "ops/pooling.h"

namespace rank_distillm {
namespace {

std::atomic<int64_t> all_weight_bytes{0};

/// The packed kernel needs instructions for bf16 and takes inputs in pairs.
Precision available_precision(const ModelOptions& options) {
  const auto& encoder = options.encoder;
  const bool can = cpu_has_bf16() && encoder.hidden_size % 2 == 0 && encoder.intermediate_size % 2 == 0;
  return can ? options.precision : Precision::float32;
}

RowsNeeded rows_needed(const HeadConfig& head) {
  return head.pooling == Pooling::first ? RowsNeeded::first_of_each_sequence : RowsNeeded::all;
}

/// A block's activations should stay near its core, a block of a small model should still be worth its calls, and a
/// small batch should keep every core busy.
int64_t token_budget(const EncoderConfig& config, const PackedBatch& batch, int threads) {
  constexpr int64_t activation_values = 9 << 20;
  const int64_t per_token = 4 * config.hidden_size + 2 * config.intermediate_size;
  const int64_t share = (static_cast<int64_t>(batch.input_ids.size()) + threads - 1) / threads;
  return std::min(share, std::clamp<int64_t>(activation_values / per_token, 512, 2048));
}

}  // namespace

CrossEncoder::CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors)
    : CrossEncoder(options, Weights(std::move(tensors))) {}

CrossEncoder::CrossEncoder(const ModelOptions& options, Weights weights)
    : options_(options),
      precision_(available_precision(options)),
      encoder_(options.encoder, precision_, rows_needed(options.head), weights),
      head_(options.encoder, options.head, weights),
      weight_bytes_(weights.allocated_bytes()) {
  all_weight_bytes += weight_bytes_;
}

CrossEncoder::~CrossEncoder() { all_weight_bytes -= weight_bytes_; }

int64_t CrossEncoder::total_weight_bytes() { return all_weight_bytes; }

at::Tensor CrossEncoder::score_block(const PackedBatch& batch, const Block& block, const CancelFlag& cancel,
                                     Counters& counters) const {
  const auto hidden = encoder_.forward(batch, block, cancel, counters);
  const auto pooling = options_.head.pooling;
  return head_.forward(pooling == Pooling::first ? hidden : pool(hidden, batch, block, pooling), counters);
}

Scores CrossEncoder::score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) const {
  const auto& config = options_.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  const auto start = std::chrono::steady_clock::now();
  const auto blocks = cut_blocks(batch, token_budget(config, batch, workers.count()));
  std::vector<Counters> counters(blocks.size());
  Scores scores;
  scores.values.resize(batch.sequences());
  workers.run(static_cast<int64_t>(blocks.size()), [&](int64_t i) {
    const auto values = score_block(batch, blocks[i], cancel, counters[i]);
    std::copy_n(values.const_data_ptr<float>(), values.numel(), scores.values.begin() + blocks[i].first_sequence);
  });
  for (const auto& part : counters) scores.counters += part;
  scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return scores;
}

}  // namespace rank_distillm
