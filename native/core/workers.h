#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"

namespace rank_distillm {

/// Threads that take whole blocks through all layers: no barrier inside an op, and no idle core while a block remains.
class Workers {
 public:
  /// `count` includes the calling thread, so count - 1 threads are started. Throws `native` if the OS starts fewer.
  explicit Workers(int count);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int count() const { return static_cast<int>(threads_.size()) + 1; }

  /// Runs `task(0)` … `task(tasks - 1)` on all threads, started in that order; returns when all are done. After the
  /// first exception no task is started, and it is thrown here.
  void run(int64_t tasks, const std::function<void(int64_t)>& task);

 private:
  void stop();
  void worker_loop();
  void take_tasks(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  const std::function<void(int64_t)>* task_ = nullptr;
  int64_t next_ = 0;
  int64_t tasks_ = 0;
  int64_t unfinished_ = 0;  // running tasks
  std::exception_ptr error_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

/// The error for a thread that the OS cannot start.
inline Error no_thread(const std::string& what, const std::exception& why) {
  return Error(
      "native", what + ": " + why.what(),
      "Ask for fewer threads, or raise the limits of threads and memory (ulimit -u, ulimit -v, the container's "
      "pids).");
}

}  // namespace rank_distillm
