#include "core/workers.h"

#include <utility>

namespace rank_distillm {

Workers::Workers(int count) {
  try {
    for (int i = 1; i < count; ++i) threads_.emplace_back([this] { worker_loop(); });
  } catch (const std::exception& error) {
    const auto most = this->count();
    stop();
    throw no_thread(
        "the system lets the engine have " + std::to_string(most) + " of " + std::to_string(count) + " threads", error);
  }
}

Workers::~Workers() { stop(); }

void Workers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Workers::run(int64_t tasks, const std::function<void(int64_t)>& task) {
  std::unique_lock lock(mutex_);
  task_ = &task;
  next_ = 0;
  tasks_ = tasks;
  work_.notify_all();
  take_tasks(lock);
  done_.wait(lock, [this] { return unfinished_ == 0; });
  task_ = nullptr;
  tasks_ = 0;
  const auto error = std::exchange(error_, nullptr);
  lock.unlock();
  if (error) std::rethrow_exception(error);
}

void Workers::worker_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || next_ < tasks_; });
    if (stopping_) return;
    take_tasks(lock);
  }
}

void Workers::take_tasks(std::unique_lock<std::mutex>& lock) {
  while (next_ < tasks_) {
    const int64_t index = next_++;
    const auto* task = task_;
    ++unfinished_;
    lock.unlock();
    std::exception_ptr error;
    try {
      (*task)(index);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    --unfinished_;
    if (error && !error_) {
      error_ = error;
      next_ = tasks_;
    }
  }
  if (unfinished_ == 0) done_.notify_all();
}

}  // namespace rank_distillm
