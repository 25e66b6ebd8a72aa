#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/workers.h"

namespace rank_distillm {

/// The process's one thread for LibTorch work, and its workers. Inference mode, OpenMP's pool and thread counts are per
/// thread, so all work is posted to the same one. Jobs run in the order they were posted. Users (one per JavaScript
/// environment) retain it: it starts with the first and is joined when the last releases it. A new first user waits for
/// that join, so there are never two threads.
class EngineThread {
 public:
  /// Throws `native` if the OS cannot start the configured number of workers; the previous workers stay in use, and the
  /// configured number becomes theirs.
  using TakeWorkers = std::function<Workers&()>;
  using Job = std::function<void(const TakeWorkers&)>;

  static EngineThread& instance();

  /// Throws `native` if the OS cannot start the thread.
  void retain();
  void release();

  /// `owner` identifies the environment, for `drop`.
  void post(const void* owner, Job job);

  /// Removes the owner's waiting jobs and waits for its running one.
  void drop(const void* owner);

  /// Number of threads from the next job on, including the engine thread; 0 keeps the current number.
  void set_threads(int threads);
  int threads() const;

 private:
  struct Posted {
    const void* owner;
    Job job;
  };

  EngineThread();
  void run();
  Workers& take_workers(std::unique_ptr<Workers>& workers);

  std::mutex lifecycle_;  // held while the thread is started or joined; the thread never takes it
  int users_ = 0;
  std::thread thread_;

  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  std::deque<Posted> jobs_;
  const void* running_for_ = nullptr;
  bool stopping_ = false;
  int threads_;
};

}  // namespace rank_distillm
