#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/workers.h"

namespace rank_distillm {

/// The one thread of the process that LibTorch work is posted to, with the workers it shares blocks with: inference
/// mode, OpenMP's pool and thread counts belong to the thread that uses them. Jobs run in the order of their posting.
/// Users (one per JavaScript environment) retain it; it starts with the first and is joined when the last releases it.
/// A first user that comes overlap waits for that, so there are never two.
class EngineThread {
 public:
  /// Throws `native` where the system does not start as many as are set; then it is that number that changes, and
  /// the jobs that follow have the workers that were there before.
  using TakeWorkers = std::function<Workers&()>;
  using Job = std::function<void(const TakeWorkers&)>;

  static EngineThread& instance();

  /// Throws `native` where the system does not start the thread.
  void retain();
  void release();

  /// `owner` names the environment, for `drop`.
  void post(const void* owner, Job job);

  /// Forgets the owner's jobs that have not begun and waits for the one that runs.
  void drop(const void* owner);

  /// Threads from the next job on, the engine thread included; 0 keeps what is set.
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

  std::mutex lifecycle_;  // held while the thread is started or joined, which never takes it
  int users_ = 0;
  std::thread thread_;

  mutable std::mutex mutex_;  // of all that follows
  std::condition_variable changed_;
  std::deque<Posted> jobs_;
  const void* running_for_ = nullptr;
  bool stopping_ = false;
  int threads_;
};

}  // namespace rank_distillm
