#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "core/cancel.h"
#include "core/scored_batch.h"

namespace rank_distillm {

/// A job whose sequences threads take block by block, alone or with sequences of other jobs of its model.
struct BlockJob {
  /// Runs a block, on any thread; calls `between_layers`, which may throw, where another block may come between.
  using Run = std::function<void(const std::vector<BatchPart>& parts, const std::function<void()>& between_layers)>;

  /// For EngineThread::drop and ::post.
  const void* owner = nullptr;
  const void* model = nullptr;
  /// Jobs of a model with the same flag are one stream and share its turns.
  CancelFlag cancel;
  std::shared_ptr<ScoredBatch> batch;
  /// The same for all jobs of a model.
  Run run;
  /// Called once after the last block, with the first error.
  std::function<void(const std::exception_ptr& error)> done;
};

/// Whose sequences are next: those of the stream which has had the fewest tokens, of equals the one that came first. A
/// new stream starts where the others are, so it neither waits for their queues nor is owed anything (start-time fair
/// queuing, Goyal et al. 1996). A stream with too little left for a block of its own shares one with others like it.
/// The engine's mutex guards it.
class BlockJobs {
 public:
  /// A job with its progress.
  struct Entry {
    BlockJob job;
    int64_t next = 0;  // sequence
    int64_t running = 0;
    std::exception_ptr error;

    bool waiting() const { return next < end(); }
    /// An empty batch, too, is answered by the engine: as one sequence of no tokens.
    int64_t end() const { return std::max<int64_t>(job.batch->packed().sequences(), 1); }
    int64_t tokens(int64_t first, int64_t last) const;
  };
  /// Sequences of one job in a block.
  struct Piece {
    std::shared_ptr<Entry> entry;
    BatchPart part;
    bool has_ended = false;
  };
  /// A block for a thread.
  struct Taken {
    std::vector<Piece> pieces;
    /// It is of a long job: new streams need not wait for its end.
    bool yields = false;

    bool empty() const { return pieces.empty(); }
  };
  enum class Which { any, new_streams };

  void add(BlockJob job);

  /// The next block for one of `threads` threads; empty where nothing waits. With `new_streams` only of streams that
  /// had none so far, or are cancelled.
  Taken take(Which which, int threads);

  /// A piece has run. True for the last of its job: call `done`, then `remove`. An error leaves the job's other
  /// sequences out.
  bool finish(const Piece& piece, const std::exception_ptr& error);
  void remove(const std::shared_ptr<Entry>& entry);

  /// Leaves the owner's waiting sequences out.
  void drop(const void* owner);

  bool has_waiting() const;
  bool has_running() const;
  bool has_owner(const void* owner) const;
  bool has_model(const void* model) const;

 private:
  struct Stream {
    CancelFlag flag;
    int64_t started;  // at this count of tokens
    int64_t served = started;
    bool is_new = true;
    std::deque<std::shared_ptr<Entry>> entries = {};

    bool waits() const;
    const void* model() const { return entries.front()->job.model; }
    int64_t waiting_tokens() const;
    int64_t tokens_so_far() const { return served - started; }
    /// Adds its next sequences that fit into `room` to a block, at least one to an empty block. Returns their tokens.
    int64_t give(int64_t room, Taken& block);
  };

  struct Waiting {
    Stream* stream;
    int64_t tokens;
  };

  template <typename Condition>
  bool any(const Condition& condition) const;
  /// Those that wait, the next first.
  std::vector<Waiting> in_order(Which which);

  std::vector<Stream> streams_;
  int64_t served_ = 0;  // where a new stream starts
};

}  // namespace rank_distillm
