#include "core/engine_thread.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/cpu.h"
#include "core/torch_threads.h"

namespace rank_distillm {

EngineThread& EngineThread::instance() {
  // Leaked on purpose: at process exit other threads may still be inside it.
  static auto* engine = new EngineThread();
  return *engine;
}

EngineThread::EngineThread() : threads_(default_threads()) {}

void EngineThread::retain() {
  const std::lock_guard lifecycle(lifecycle_);
  if (users_ == 0) {
    stopping_ = false;  // no lock: there is no thread that reads it
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::exception& error) {
      throw no_thread("the system cannot start the engine's thread", error);
    }
  }
  ++users_;
}

void EngineThread::release() {
  const std::lock_guard lifecycle(lifecycle_);
  if (--users_ > 0) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void EngineThread::post(const void* owner, Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({owner, std::move(job)});
  }
  changed_.notify_all();
}

void EngineThread::drop(const void* owner) {
  std::unique_lock lock(mutex_);
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), [owner](const Posted& p) { return p.owner == owner; }),
              jobs_.end());
  changed_.wait(lock, [this, owner] { return running_for_ != owner; });
}

void EngineThread::set_threads(int threads) {
  const std::lock_guard lock(mutex_);
  if (threads > 0) threads_ = threads;
}

int EngineThread::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_;
}

Workers& EngineThread::take_workers(std::unique_ptr<Workers>& workers) {
  const int wanted = threads();
  if (workers && workers->count() == wanted) return *workers;
  try {
    workers = std::make_unique<Workers>(wanted);
  } catch (...) {
    set_threads(workers ? workers->count() : default_threads());
    throw;
  }
  set_torch_threads(wanted);
  return *workers;
}

void EngineThread::run() {
  const c10::InferenceMode inference_mode;
  std::unique_ptr<Workers> workers;
  const TakeWorkers take = [this, &workers]() -> Workers& { return take_workers(workers); };
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto posted = std::move(jobs_.front());
    jobs_.pop_front();
    running_for_ = posted.owner;
    lock.unlock();
    posted.job(take);
    posted.job = nullptr;  // frees what the job holds before drop() returns
    lock.lock();
    running_for_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace rank_distillm
