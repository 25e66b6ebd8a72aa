#include "train/gradient_buckets.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace rank_distillm {
namespace {

/// A bucket has at least this share of the array, so that a small model does not send a message for each tensor.
constexpr int64_t fewest_share = 16;

int stage_of(const std::string& name, int64_t layers) {
  static constexpr std::string_view layer = "encoder.layer.", embeddings = "embeddings";
  if (name.starts_with(layer)) {
    int64_t index = 0;
    std::from_chars(name.data() + layer.size(), name.data() + name.size(), index);
    return static_cast<int>(layers - index);
  }
  return name.starts_with(embeddings) ? static_cast<int>(layers + 1) : 0;
}

}  // namespace

std::vector<GradientBucket> gradient_buckets(const ParameterLayout& layout, int64_t layers) {
  const auto& places = layout.places();
  std::vector<GradientBucket> ranges;
  for (size_t i = 0; i < places.size(); ++i) {
    const int64_t end = i + 1 < places.size() ? places[i + 1].offset : layout.size();
    const int stage = stage_of(places[i].name, layers);
    if (ranges.empty() || ranges.back().stage != stage) ranges.push_back({places[i].offset, 0, stage});
    ranges.back().count = end - ranges.back().first;
  }
  std::stable_sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.stage < b.stage; });
  std::vector<GradientBucket> buckets;
  for (const auto& range : ranges) {
    const bool joins = !buckets.empty() && buckets.back().count < layout.size() / fewest_share &&
                       range.first + range.count == buckets.back().first;
    if (joins) {
      buckets.back() = {range.first, range.count + buckets.back().count, range.stage};
    } else {
      buckets.push_back(range);
    }
  }
  return buckets;
}

GradientHandover::GradientHandover(const std::vector<GradientBucket>& buckets, const GradientSums* sums,
                                   float* gradients, int device)
    : buckets_(buckets), sums_(sums), gradients_(gradients), device_(device) {
  int stages = 0;
  for (const auto& bucket : buckets) stages = std::max(stages, bucket.stage + 1);
  done_.resize(stages, false);
}

void GradientHandover::done(int stage) {
  if (sums_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  if (stage < static_cast<int>(done_.size())) done_[stage] = true;
  hand_over();
}

void GradientHandover::all_done() {
  if (sums_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  done_.assign(done_.size(), true);
  hand_over();
}

void GradientHandover::hand_over() {
  while (complete_ < done_.size() && done_[complete_]) ++complete_;
  for (; next_ < buckets_.size() && buckets_[next_].stage < static_cast<int>(complete_); ++next_) {
    const auto& bucket = buckets_[next_];
    sums_->begin(sums_->state, gradients_ + bucket.first, bucket.count, device_);
  }
}

}  // namespace rank_distillm
