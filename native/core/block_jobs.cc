#include "core/block_jobs.h"

#include <algorithm>
#include <utility>

namespace rank_distillm {

int64_t BlockJobs::Entry::tokens(int64_t first, int64_t last) const {
  const auto& offsets = job.batch->packed().cu_seqlens;
  return job.batch->packed().sequences() == 0 ? 0 : offsets[last] - offsets[first];
}

bool BlockJobs::Stream::waits() const {
  return std::any_of(entries.begin(), entries.end(), [](const auto& entry) { return entry->waiting(); });
}

int64_t BlockJobs::Stream::waiting_tokens() const {
  int64_t sum = 0;
  for (const auto& entry : entries) {
    if (entry->waiting()) sum += entry->tokens(entry->next, entry->end());
  }
  return sum;
}

int64_t BlockJobs::Stream::give(int64_t room, Taken& block) {
  int64_t given = 0;
  for (const auto& entry : entries) {
    const auto first = entry->next;
    while (entry->waiting()) {
      const auto tokens = entry->tokens(entry->next, entry->next + 1);
      const bool is_empty = block.empty() && given == 0;
      if (!is_empty && given + tokens > room) break;
      given += tokens;
      ++entry->next;
    }
    if (entry->next > first) {
      ++entry->running;
      const auto sequences = std::min(entry->next, entry->job.batch->packed().sequences()) - first;
      block.pieces.push_back({entry, {entry->job.batch, first, sequences, entry->tokens(first, entry->next)}});
    }
    if (entry->waiting()) break;
  }
  served += given;
  is_new = false;
  return given;
}

template <typename Condition>
bool BlockJobs::any(const Condition& condition) const {
  return std::any_of(streams_.begin(), streams_.end(), [&](const Stream& stream) {
    return std::any_of(stream.entries.begin(), stream.entries.end(), condition);
  });
}

void BlockJobs::add(BlockJob job) {
  auto stream = std::find_if(streams_.begin(), streams_.end(),
                             [&](const Stream& s) { return s.flag == job.cancel && s.model() == job.model; });
  if (stream == streams_.end()) stream = streams_.insert(stream, {job.cancel, served_});
  stream->entries.push_back(std::make_shared<Entry>(Entry{std::move(job), 0, 0, nullptr}));
}

std::vector<BlockJobs::Waiting> BlockJobs::in_order(Which which) {
  std::vector<Waiting> order;
  for (auto& stream : streams_) {
    if (stream.waits() && (which == Which::any || stream.is_new || is_cancelled(stream.flag))) {
      order.push_back({&stream, stream.waiting_tokens()});
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.stream->served < b.stream->served; });
  return order;
}

BlockJobs::Taken BlockJobs::take(Which which, int threads) {
  Taken block;
  const auto order = in_order(which);
  if (order.empty()) return block;
  const auto cancelled =
      std::find_if(order.begin(), order.end(), [](const auto& w) { return is_cancelled(w.stream->flag); });
  if (cancelled != order.end()) {
    cancelled->stream->give(0, block);  // it costs nothing and its caller waits for the end
    return block;
  }
  auto& first = *order.front().stream;
  const void* model = first.model();
  int64_t waiting = 0, all = 0;
  for (const auto& stream : streams_) {
    if (stream.model() != model || !stream.waits()) continue;
    waiting += stream.waiting_tokens();
    all += stream.tokens_so_far() + stream.waiting_tokens();
  }
  // What one block for each thread holds is divided evenly: each further block is another pass over the weights.
  const bool is_small = all <= threads * largest_block_tokens;
  int64_t room = shrinking_block_tokens(waiting, threads);
  if (is_small) room = std::max(shrinking_block_tokens(0, threads), (all + threads - 1) / threads);
  // The last blocks of a long job are as long as its first ones.
  block.yields = first.tokens_so_far() + order.front().tokens > int64_t{2} * threads * largest_block_tokens;
  served_ = first.served;
  for (const auto& [stream, tokens] : order) {
    const bool shares = stream->model() == model && tokens <= largest_block_tokens;
    if (stream == &first || shares) room -= stream->give(room, block);
    if (room <= 0) break;
  }
  return block;
}

bool BlockJobs::finish(const Piece& piece, const std::exception_ptr& error) {
  auto& entry = *piece.entry;
  if (error) {
    if (!entry.error) entry.error = error;
    entry.next = entry.end();
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
      if (entry->job.owner == owner) entry->next = entry->end();
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
