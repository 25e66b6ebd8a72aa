#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/cancel.h"

namespace rank_distillm {

/// A job of independent blocks, which threads take one at a time, between the blocks of other jobs.
struct BlockJob {
  /// For EngineThread::drop and ::post.
  const void* owner = nullptr;
  const void* model = nullptr;
  /// Jobs with the same flag are one stream and share its turns.
  CancelFlag cancel;
  /// Of each block.
  std::vector<int64_t> tokens;
  /// Runs a block, on any thread; calls `between_layers` where another job's block may come between.
  std::function<void(int64_t block, const std::function<void()>& between_layers)> run;
  /// Called once after the last block, with the first error.
  std::function<void(const std::exception_ptr& error)> done;
};

/// Whose block is next: that of the stream which has had the fewest tokens. A new stream starts where the others are,
/// so it neither waits for their queues nor is owed anything (start-time fair queuing, Goyal et al. 1996). The engine's
/// mutex guards it.
class BlockJobs {
 public:
  /// A job with its progress.
  struct Entry {
    BlockJob job;
    size_t next = 0;
    int64_t running = 0;
    std::exception_ptr error;

    bool waiting() const { return next < job.tokens.size(); }
  };
  struct Taken {
    std::shared_ptr<Entry> entry;
    int64_t block;
  };
  enum class Which { any, new_streams };

  void add(BlockJob job);

  /// The next block to run. With `new_streams` only of a stream that had none so far, or is cancelled.
  std::optional<Taken> take(Which which);

  /// A block has run. True for the last of its job: call `done`, then `remove`. An error leaves the other blocks out.
  bool finish(const Taken& taken, const std::exception_ptr& error);
  void remove(const std::shared_ptr<Entry>& entry);

  /// Leaves the owner's waiting blocks out.
  void drop(const void* owner);

  bool has_waiting() const;
  bool has_running() const;
  bool has_owner(const void* owner) const;
  bool has_model(const void* model) const;

 private:
  struct Stream {
    CancelFlag flag;
    int64_t served;  // tokens, counted from where the stream started
    bool is_new = true;
    std::deque<std::shared_ptr<Entry>> entries = {};

    int64_t waiting_tokens() const;
  };

  template <typename Condition>
  bool any(const Condition& condition) const;

  std::vector<Stream> streams_;
  int64_t served_ = 0;  // where a new stream starts
};

}  // namespace rank_distillm
