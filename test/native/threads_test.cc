// Threads of the engine. Prints one line of JSON per case, which test/native/test-program.ts reads.

#include <ATen/ATen.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "compare.h"
#include "core/block_jobs.h"
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

/// A job of blocks of these sizes.
BlockJob logging(const CancelFlag& stream, std::vector<int64_t> tokens) {
  BlockJob job;
  job.cancel = stream;
  job.tokens = std::move(tokens);
  return job;
}

/// Whose blocks are taken when: of the stream with the fewest tokens so far, a new one at once.
void test_order_of_blocks() {
  BlockJobs jobs;
  const auto large = make_cancel_flag(), small = make_cancel_flag(), other = make_cancel_flag();
  std::vector<double> order;
  const auto take = [&](BlockJobs::Which which = BlockJobs::Which::any) {
    const auto taken = jobs.take(which);
    if (!taken) return order.push_back(0);
    const auto& flag = taken->entry->job.cancel;
    order.push_back(flag == large ? 1 : flag == small ? 2 : 3);
    if (jobs.finish(*taken, nullptr)) jobs.remove(taken->entry);
  };
  jobs.add(logging(large, std::vector<int64_t>(6, 100)));
  jobs.add(logging(large, std::vector<int64_t>(6, 100)));
  take(), take(), take();               // 1 1 1
  take(BlockJobs::Which::new_streams);  // 0
  jobs.add(logging(small, {10}));
  take(BlockJobs::Which::new_streams);  // 2
  take(BlockJobs::Which::new_streams);  // 0: it is done
  jobs.add(logging(other, {100, 100, 100}));
  take(), take(), take(), take(), take();  // 3 3 1 3 1: turns, of equals that with the least to do
  jobs.add(logging(small, {10}));
  large->store(true);
  take(BlockJobs::Which::new_streams);  // 1: cancelled, so it costs nothing
  const auto found = at::tensor(order, at::kDouble);
  report("blocks are taken from the stream that has had the fewest tokens",
         {{"order", found, at::tensor(std::vector<double>{1, 1, 1, 0, 2, 0, 3, 3, 1, 3, 1, 1}, at::kDouble)}});
}

/// A job that arrives while a block runs is done when that block goes on to its next layer.
void test_block_between_layers() {
  auto& engine_thread = EngineThread::instance();
  engine_thread.set_threads(1);
  engine_thread.retain();
  std::atomic<int> small_done = 0, large_blocks = 0;
  int done_between_layers = 0;
  std::promise<void> end;
  auto large = logging(make_cancel_flag(), {700, 700});
  large.run = [&](int64_t block, const std::function<void()>& between_layers) {
    if (block == 0) {
      auto small = logging(make_cancel_flag(), {10});
      small.run = [](int64_t, const std::function<void()>& pause) { pause(); };
      small.done = [&](const std::exception_ptr&) { ++small_done; };
      engine_thread.post_blocks(std::move(small));
      between_layers();
      done_between_layers = small_done;
    }
    ++large_blocks;
  };
  large.done = [&](const std::exception_ptr&) { end.set_value(); };
  engine_thread.post_blocks(std::move(large));
  end.get_future().get();
  engine_thread.release();
  const auto one = [](double value) { return at::full({1}, value, at::kDouble); };
  report("a new job's block runs between two layers of another's",
         {{"done", one(done_between_layers), one(1)}, {"blocks", one(large_blocks), one(2)}});
}

}  // namespace

int main() {
  test_order_of_blocks();
  test_block_between_layers();
  test_thread_count();
  test_change_of_users();
  return failures == 0 ? 0 : 1;
}
