#include "core/block_jobs.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace rank_distillm {

int64_t BlockJobs::Stream::waiting_tokens() const {
  int64_t sum = 0;
  for (const auto& entry : entries) {
    sum = std::accumulate(entry->job.tokens.begin() + static_cast<int64_t>(entry->next), entry->job.tokens.end(), sum);
  }
  return sum;
}

template <typename Condition>
bool BlockJobs::any(const Condition& condition) const {
  return std::any_of(streams_.begin(), streams_.end(), [&](const Stream& stream) {
    return std::any_of(stream.entries.begin(), stream.entries.end(), condition);
  });
}

void BlockJobs::add(BlockJob job) {
  auto stream = std::find_if(streams_.begin(), streams_.end(), [&](const Stream& s) { return s.flag == job.cancel; });
  if (stream == streams_.end()) stream = streams_.insert(stream, {job.cancel, served_});
  stream->entries.push_back(std::make_shared<Entry>(Entry{std::move(job), 0, 0, nullptr}));
}

std::optional<BlockJobs::Taken> BlockJobs::take(Which which) {
  Stream* best = nullptr;
  bool is_cancelled = false;
  for (auto& stream : streams_) {
    const int64_t tokens = stream.waiting_tokens();
    const bool waits =
        std::any_of(stream.entries.begin(), stream.entries.end(), [](const auto& e) { return e->waiting(); });
    if (!waits) continue;
    is_cancelled = stream.flag->load(std::memory_order_relaxed);
    if (is_cancelled) {
      best = &stream;  // it costs nothing and its caller waits for the end
      break;
    }
    if (which == Which::new_streams && !stream.is_new) continue;
    const auto rank = std::pair(stream.served, tokens);
    if (best == nullptr || rank < std::pair(best->served, best->waiting_tokens())) best = &stream;
  }
  if (best == nullptr) return std::nullopt;
  const auto entry =
      *std::find_if(best->entries.begin(), best->entries.end(), [](const auto& e) { return e->waiting(); });
  const auto block = entry->next++;
  ++entry->running;
  if (!is_cancelled) served_ = best->served;
  best->served += entry->job.tokens[block];
  best->is_new = false;
  return Taken{entry, static_cast<int64_t>(block)};
}

bool BlockJobs::finish(const Taken& taken, const std::exception_ptr& error) {
  auto& entry = *taken.entry;
  if (error) {
    if (!entry.error) entry.error = error;
    entry.next = entry.job.tokens.size();
  }
  if (entry.running == 1 && !entry.waiting()) return true;  // runs on until `remove`, for those who wait for its end
  --entry.running;
  return false;
}

void BlockJobs::remove(const std::shared_ptr<Entry>& entry) {
  for (auto& stream : streams_) std::erase(stream.entries, entry);
  std::erase_if(streams_, [](const Stream& stream) { return stream.entries.empty(); });
}

void BlockJobs::drop(const void* owner) {
  for (auto& stream : streams_) {
    for (const auto& entry : stream.entries) {
      if (entry->job.owner == owner) entry->next = entry->job.tokens.size();
    }
    std::erase_if(stream.entries, [owner](const auto& e) { return e->job.owner == owner && e->running == 0; });
  }
  std::erase_if(streams_, [](const Stream& stream) { return stream.entries.empty(); });
}

bool BlockJobs::has_waiting() const {
  return any([](const auto& entry) { return entry->waiting(); });
}

bool BlockJobs::has_running() const {
  return any([](const auto& entry) { return entry->running > 0; });
}

bool BlockJobs::has_owner(const void* owner) const {
  return any([owner](const auto& entry) { return entry->job.owner == owner; });
}

bool BlockJobs::has_model(const void* model) const {
  return any([model](const auto& entry) { return entry->job.model == model; });
}

}  // namespace rank_distillm
