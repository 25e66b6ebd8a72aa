#include "model/cross_encoder.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/cpu.h"
#include "ops/pooling.h"

namespace rank_distillm {
namespace {

std::atomic<int64_t> all_weight_bytes{0};

Precision available_precision(Precision asked) {
  return asked == Precision::bfloat16 && !cpu_has_bf16() ? Precision::float32 : asked;
}

/// Activations of a block should stay near the cores, and a block of a small model should still be worth its calls.
int64_t token_budget(const EncoderConfig& config) {
  constexpr int64_t activation_values = 9 << 20;
  const int64_t per_token = 4 * config.hidden_size + 2 * config.intermediate_size;
  return std::clamp<int64_t>(activation_values / per_token, 512, 8192);
}

}  // namespace

CrossEncoder::CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors)
    : CrossEncoder(options, Weights(std::move(tensors), available_precision(options.precision))) {}

CrossEncoder::CrossEncoder(const ModelOptions& options, Weights weights)
    : options_(options),
      precision_(available_precision(options.precision)),
      encoder_(options.encoder, weights),
      head_(options.encoder, options.head, weights),
      weight_bytes_(weights.allocated_bytes()) {
  all_weight_bytes += weight_bytes_;
}

CrossEncoder::~CrossEncoder() { all_weight_bytes -= weight_bytes_; }

int64_t CrossEncoder::total_weight_bytes() { return all_weight_bytes; }

at::Tensor CrossEncoder::score_block(const PackedBatch& batch, const Block& block, const CancelFlag& cancel,
                                     Counters& counters) const {
  const auto& head = options_.head;
  if (head.pooling == Pooling::first) {
    return head_.forward(encoder_.forward_first_rows(batch, block, cancel, counters).to(at::kFloat), counters);
  }
  return head_.forward(pool(encoder_.forward(batch, block, cancel, counters), batch, block, head.pooling), counters);
}

Scores CrossEncoder::score(const PackedBatch& batch, const CancelFlag& cancel) const {
  const auto& config = options_.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  const auto start = std::chrono::steady_clock::now();
  Scores scores;
  scores.values.reserve(batch.sequences());
  for (const auto& block : cut_blocks(batch, token_budget(config))) {
    const auto values = score_block(batch, block, cancel, scores.counters);
    const auto* first = values.const_data_ptr<float>();
    scores.values.insert(scores.values.end(), first, first + values.numel());
  }
  scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return scores;
}

}  // namespace rank_distillm
