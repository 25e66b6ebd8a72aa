#include "core/engine_thread.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/cpu.h"

namespace rank_distillm {

EngineThread& EngineThread::instance(int lane) {
  // Leaked on purpose: at process exit other threads may still be inside them.
  static auto* mutex = new std::mutex();
  static auto* engines = new std::map<int, EngineThread*>();
  const std::lock_guard lock(*mutex);
  auto& engine = (*engines)[lane];
  if (engine == nullptr) engine = new EngineThread();
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

void EngineThread::post(const void* owner, Job job, const void* after_model) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({owner, std::move(job), after_model});
  }
  changed_.notify_all();
}

void EngineThread::post_blocks(BlockJob job) {
  {
    const std::lock_guard lock(mutex_);
    blocks_.add(std::move(job));
  }
  changed_.notify_all();
}

void EngineThread::drop(const void* owner) {
  std::unique_lock lock(mutex_);
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), [owner](const Posted& p) { return p.owner == owner; }),
              jobs_.end());
  blocks_.drop(owner);
  changed_.wait(lock, [this, owner] { return running_for_ != owner && !blocks_.has_owner(owner); });
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
  return *workers;
}

void EngineThread::run() {
  std::unique_ptr<Workers> workers;
  const TakeWorkers take = [this, &workers]() -> Workers& { return take_workers(workers); };
  bool was_job = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || blocks_.has_waiting() || ready_job() != jobs_.end(); });
    const auto job = ready_job();
    if (blocks_.has_waiting() && (was_job || job == jobs_.end())) {
      was_job = false;
      lock.unlock();
      run_blocks(take);
      lock.lock();
    } else if (job != jobs_.end()) {
      was_job = true;
      run_job(lock, job, take);
    } else {
      return;
    }
  }
}

std::deque<EngineThread::Posted>::iterator EngineThread::ready_job() {
  return std::find_if(jobs_.begin(), jobs_.end(), [this](const Posted& posted) {
    return posted.after_model == nullptr || !blocks_.has_model(posted.after_model);
  });
}

void EngineThread::run_job(std::unique_lock<std::mutex>& lock, const std::deque<Posted>::iterator& job,
                           const TakeWorkers& take) {
  auto posted = std::move(*job);
  jobs_.erase(job);
  running_for_ = posted.owner;
  lock.unlock();
  posted.job(take);
  posted.job = nullptr;  // frees what the job holds before drop() returns
  lock.lock();
  running_for_ = nullptr;
  changed_.notify_all();
}

void EngineThread::run_blocks(const TakeWorkers& take) {
  try {
    auto& workers = take();
    workers.run(workers.count(), [this](int64_t) { take_blocks(); });
  } catch (...) {
    // There are no workers: whose turn it is hears of it.
    std::unique_lock lock(mutex_);
    auto block = blocks_.take(BlockJobs::Which::any, threads_);
    for (auto& piece : block.pieces) end_piece(lock, piece, std::current_exception());
  }
}

void EngineThread::take_blocks() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (auto block = blocks_.take(BlockJobs::Which::any, threads_); !block.empty()) {
      run_block(lock, block);
    } else if (blocks_.has_running()) {
      changed_.wait(lock);  // more may come while other workers are busy
    } else {
      return;
    }
    if (ready_job() != jobs_.end()) return;
  }
}

void EngineThread::run_new_block() {
  std::unique_lock lock(mutex_);
  if (auto block = blocks_.take(BlockJobs::Which::new_streams, threads_); !block.empty()) {
    block.yields = false;
    run_block(lock, block);
  }
}

void EngineThread::run_block(std::unique_lock<std::mutex>& lock, BlockJobs::Taken& block) {
  lock.unlock();
  std::exception_ptr error;
  try {
    const auto run = block.pieces.front().entry->job.run;  // a job that is cancelled meanwhile drops its own
    std::vector<BatchPart> parts;
    parts.reserve(block.pieces.size());
    for (const auto& piece : block.pieces) parts.push_back(piece.part);
    end_cancelled(block);
    run(parts, [this, &block] {
      end_cancelled(block);
      if (block.yields) run_new_block();
    });
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  for (auto& piece : block.pieces) end_piece(lock, piece, error);
}

void EngineThread::end_cancelled(BlockJobs::Taken& block) {
  bool goes_on = false;
  for (auto& piece : block.pieces) {
    if (piece.has_ended) continue;
    if (is_cancelled(piece.entry->job.cancel)) {
      std::unique_lock lock(mutex_);
      end_piece(lock, piece, nullptr);
    } else {
      goes_on = true;
    }
  }
  if (!goes_on) throw interrupted();
}

void EngineThread::end_piece(std::unique_lock<std::mutex>& lock, BlockJobs::Piece& piece, std::exception_ptr error) {
  if (std::exchange(piece.has_ended, true)) return;
  auto& job = piece.entry->job;
  if (!error && is_cancelled(job.cancel)) error = std::make_exception_ptr(interrupted());
  if (blocks_.finish(piece, error)) {
    lock.unlock();
    job.done(piece.entry->error);
    job.run = nullptr;  // frees what the job holds before drop() returns and the model's close() runs
    job.done = nullptr;
    lock.lock();
    blocks_.remove(piece.entry);
  }
  changed_.notify_all();
}

}  // namespace rank_distillm
