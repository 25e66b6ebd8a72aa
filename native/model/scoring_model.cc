#include "model/scoring_model.h"

#include <atomic>

#include "core/error.h"

namespace rank_distillm {
namespace {

std::atomic<int64_t> all_weight_bytes{0};

}  // namespace

void ScoringModel::check(const PackedBatch&) const {}

void ScoringModel::score_block(const std::vector<BatchPart>&, const std::function<void()>&) const {
  throw Error("native", "this model scores whole batches");
}

Scores ScoringModel::score(const PackedBatch&, Workers&, const CancelFlag&) {
  throw Error("native", "this model scores in blocks");
}

ScoringModel::~ScoringModel() { all_weight_bytes -= weight_bytes_; }

void ScoringModel::holds(int64_t weight_bytes) {
  weight_bytes_ += weight_bytes;
  all_weight_bytes += weight_bytes;
}

int64_t ScoringModel::total_weight_bytes() { return all_weight_bytes; }

}  // namespace rank_distillm
