#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/block_jobs.h"
#include "core/workers.h"

namespace rank_distillm {

/// A thread for the engine's work, and its workers: the process has one, and one more for each further GPU that it
/// uses, so that GPUs compute beside each other. Jobs run in the order they were posted. Jobs of blocks (BlockJob) run
/// beside each other on all workers; where both wait, a job and a round of blocks take turns. Users (one per JavaScript
/// environment) retain it: it starts with the first and is joined when the last releases it. A new first user waits for
/// that join, so there are never two threads.
class EngineThread {
 public:
  /// Throws `native` if the OS cannot start the configured number of workers; the previous workers stay in use, and the
  /// configured number becomes theirs.
  using TakeWorkers = std::function<Workers&()>;
  using Job = std::function<void(const TakeWorkers&)>;

  /// `lane` 0 is the CPU's and the first GPU's.
  static EngineThread& instance(int lane = 0);

  /// Throws `native` if the OS cannot start the thread.
  void retain();
  void release();

  /// `owner` identifies the environment, for `drop`. With `after_model` the job waits until no block job of that model
  /// is left.
  void post(const void* owner, Job job, const void* after_model = nullptr);
  void post_blocks(BlockJob job);

  /// Removes the owner's waiting jobs and waits for its running one.
  void drop(const void* owner);

  /// Number of threads from the next job on, including the engine thread; 0 keeps the current number.
  void set_threads(int threads);
  int threads() const;

 private:
  struct Posted {
    const void* owner;
    Job job;
    const void* after_model;
  };

  EngineThread();
  void run();
  Workers& take_workers(std::unique_ptr<Workers>& workers);
  /// The first job that may run now.
  std::deque<Posted>::iterator ready_job();
  void run_job(std::unique_lock<std::mutex>& lock, const std::deque<Posted>::iterator& job, const TakeWorkers& take);
  /// Runs blocks on all workers until there are none, or until a job waits and each worker has run one.
  void run_blocks(const TakeWorkers& take);
  void take_blocks();
  void run_block(std::unique_lock<std::mutex>& lock, BlockJobs::Taken& block);
  /// Ends what of a running block was cancelled; throws `aborted` if nothing is left of it.
  void end_cancelled(BlockJobs::Taken& block);
  void end_piece(std::unique_lock<std::mutex>& lock, BlockJobs::Piece& piece, std::exception_ptr error);
  /// Between two layers of a block: runs the first block of a new stream.
  void run_new_block();

  std::mutex lifecycle_;  // held while the thread is started or joined; the thread never takes it
  int users_ = 0;
  std::thread thread_;

  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  std::deque<Posted> jobs_;
  BlockJobs blocks_;
  const void* running_for_ = nullptr;
  bool stopping_ = false;
  int threads_;
};

}  // namespace rank_distillm
