#include "core/scored_batch.h"

#include <algorithm>
#include <utility>

namespace rank_distillm {
namespace {

/// Exact where a block has one part.
Counters share_of(const Counters& all, int64_t part, int64_t whole) {
  if (part == whole) return all;
  const double share = static_cast<double>(part) / static_cast<double>(whole);
  const auto of = [share](auto value) { return static_cast<decltype(value)>(share * static_cast<double>(value)); };
  const auto& t = all.ticks;
  return {of(all.linear_rows),
          of(all.linear_flops),
          {of(t.linear), of(t.activation), of(t.attention), of(t.norm), of(t.embedding), of(t.all)}};
}

}  // namespace

ScoredBatch::ScoredBatch(PackedBatch packed, int threads) : packed_(std::move(packed)), threads_(threads) {
  scores_.values.resize(std::max<int64_t>(packed_.sequences(), 0));
}

void ScoredBatch::add(const BatchPart& part, const float* values, const BlockCost& cost, int64_t block_tokens) {
  const std::lock_guard lock(mutex_);
  std::copy_n(values, part.sequences, scores_.values.begin() + part.first);
  scores_.counters += share_of(cost.counters, part.tokens, block_tokens);
  const double share = static_cast<double>(part.tokens) / static_cast<double>(block_tokens);
  scores_.seconds += share * cost.seconds;
  ticks_ += share * static_cast<double>(cost.ticks);
}

Scores ScoredBatch::result() {
  if (ticks_ > 0) scores_.seconds_per_tick = scores_.seconds / ticks_;
  scores_.seconds = scores_.seconds_per_tick * static_cast<double>(scores_.counters.ticks.all) / threads_;
  return std::move(scores_);
}

PackedBatch gather(const std::vector<BatchPart>& parts) {
  PackedBatch gathered;
  gathered.cu_seqlens.push_back(0);
  for (const auto& part : parts) {
    const auto& from = part.batch->packed();
    const auto start = from.cu_seqlens[part.first], end = from.cu_seqlens[part.first + part.sequences];
    gathered.input_ids.insert(gathered.input_ids.end(), from.input_ids.begin() + start, from.input_ids.begin() + end);
    gathered.token_type_ids.insert(gathered.token_type_ids.end(), from.token_type_ids.begin() + start,
                                   from.token_type_ids.begin() + end);
    for (int64_t s = part.first; s < part.first + part.sequences; ++s) {
      gathered.cu_seqlens.push_back(gathered.cu_seqlens.back() + from.cu_seqlens[s + 1] - from.cu_seqlens[s]);
    }
  }
  return gathered;
}

}  // namespace rank_distillm
