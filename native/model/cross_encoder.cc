#include "model/cross_encoder.h"

#include <chrono>

#include "ops/pooling.h"

namespace rank_distillm {
CrossEncoder::CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors, Workers& workers)
    : CrossEncoder(options, Weights(std::move(tensors), loop_on(workers))) {}

CrossEncoder::CrossEncoder(const ModelOptions& options, Weights weights)
    : options_(options),
      precision_(scoring_precision(options.encoder, options.precision)),
      encoder_(options.encoder, precision_, rows_needed(options.head.pooling), weights),
      head_(options.encoder, options.head, weights) {
  weights.check_unchanged();
  holds(weights.allocated_bytes());
}

void CrossEncoder::score_block(const PackedBatch& batch, const Block& block, float* scores,
                               const std::function<void()>& between_layers, Counters& counters) const {
  const ThreadWorkspace workspace;
  auto& memory = workspace.memory();
  const auto hidden = encoder_.forward(batch, block, memory, between_layers, counters);
  auto pooled = hidden;
  if (const auto pooling = options_.head.pooling; pooling != Pooling::first) {
    const int64_t width = options_.encoder.hidden_size;
    pooled = memory.rows(Slot::first, block.sequences, width, 4);
    pool(hidden, width, batch, block, pooling, pooled);
  }
  head_.forward(block.sequences, pooled, scores, memory, counters);
}

/// Each block writes to its own place.
class CrossEncoder::InBlocks : public BatchInBlocks {
 public:
  InBlocks(const CrossEncoder& model, std::shared_ptr<const PackedBatch> batch, int threads)
      : model_(model),
        batch_(std::move(batch)),
        threads_(threads),
        blocks_(cut_shrinking_blocks(*batch_, threads)),
        work_(blocks_.size()) {
    scores_.values.resize(batch_->sequences());
  }

  std::vector<int64_t> tokens() const override {
    std::vector<int64_t> tokens;
    tokens.reserve(blocks_.size() + 1);
    for (const auto& block : blocks_) tokens.push_back(block.tokens);
    if (tokens.empty()) tokens.push_back(0);  // an empty batch, too, is answered by the engine
    return tokens;
  }

  void score(int64_t number, const CancelFlag& cancel, const std::function<void()>& between_layers) override {
    if (blocks_.empty()) return;
    const auto& block = blocks_[number];
    auto& work = work_[number];
    uint64_t elsewhere = 0;
    const auto start = std::chrono::steady_clock::now();
    {
      const OpTimer timer(work.ticks);
      const auto pause = [&] {
        throw_if_cancelled(cancel);
        const OpTimer outside(elsewhere);
        between_layers();
      };
      model_.score_block(*batch_, block, scores_.values.data() + block.first_sequence, pause, work.counters);
    }
    work.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    work.counters.ticks.all = work.ticks - elsewhere;
  }

  Scores result() override {
    double seconds = 0, ticks = 0;
    for (const auto& work : work_) {
      seconds += work.seconds;
      ticks += static_cast<double>(work.ticks);
      scores_.counters += work.counters;
    }
    if (ticks > 0) scores_.seconds_per_tick = seconds / ticks;
    scores_.seconds = scores_.seconds_per_tick * static_cast<double>(scores_.counters.ticks.all) / threads_;
    return std::move(scores_);
  }

 private:
  /// Time of a block with those that came between its layers, which `counters` leaves out.
  struct Work {
    uint64_t ticks = 0;
    double seconds = 0;
    Counters counters;
  };

  const CrossEncoder& model_;
  std::shared_ptr<const PackedBatch> batch_;
  int threads_;
  std::vector<Block> blocks_;
  std::vector<Work> work_;
  Scores scores_;
};

std::shared_ptr<BatchInBlocks> CrossEncoder::in_blocks(const std::shared_ptr<const PackedBatch>& batch,
                                                       int threads) const {
  const auto& config = options_.encoder;
  check_batch(*batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  return std::make_shared<InBlocks>(*this, batch, threads);
}

}  // namespace rank_distillm
