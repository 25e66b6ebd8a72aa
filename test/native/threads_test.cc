// Threads of the engine. Prints one line of JSON per case, which test/native/test-program.ts reads.

#include <ATen/ATen.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "compare.h"
#include "core/engine_thread.h"
#include "core/parallel.h"

namespace {

using namespace rank_distillm;

/// A product's bits and speed depend on the number of threads: every new engine thread must use the configured number,
/// whatever the timing of its workers' start and its first op.
void test_thread_count() {
  constexpr int threads = 3, starts = 100;
  auto& engine_thread = EngineThread::instance();
  engine_thread.set_threads(threads);
  const auto found = at::zeros({starts}, at::kDouble);
  for (int start = 0; start < starts; ++start) {
    engine_thread.retain();
    std::promise<int> used;
    engine_thread.post(nullptr, [&used](const EngineThread::TakeWorkers& workers) {
      workers();
      std::atomic<int> parts = 0;  // LibTorch gives each of its threads one part
      parallel_for(threads, 1, [&parts](int64_t, int64_t) { ++parts; });
      used.set_value(parts);
    });
    found[start] = used.get_future().get();
    engine_thread.release();
  }
  report("a new engine thread uses the configured number of threads",
         {{"threads", found, at::full({starts}, static_cast<double>(threads), at::kDouble)}});
}

/// The last user releases the thread while a new first one retains it: the release must not wait for the new user.
void test_change_of_users() {
  constexpr int rounds = 1000;
  auto& engine_thread = EngineThread::instance();
  engine_thread.set_threads(1);
  int ended = 0;
  for (int round = 0; round < rounds && ended == round; ++round) {
    std::atomic<bool> goes = false;
    std::promise<void> gone;
    auto is_gone = gone.get_future();
    engine_thread.retain();
    std::thread next([&] {
      while (!goes) {
      }
      for (std::atomic<int> left = round * 7 % 300; left > 0; --left) {
      }
      engine_thread.retain();
      if (is_gone.wait_for(std::chrono::seconds(20)) == std::future_status::ready) ++ended;
      engine_thread.release();
    });
    goes = true;
    engine_thread.release();
    gone.set_value();
    next.join();
  }
  report("the last user leaves while the next one arrives",
         {{"rounds", at::full({1}, ended, at::kDouble), at::full({1}, rounds, at::kDouble)}});
}

}  // namespace

int main() {
  test_thread_count();
  test_change_of_users();
  return failures == 0 ? 0 : 1;
}
