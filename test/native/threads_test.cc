// Threads of the engine. Prints one line of JSON per case, which test/native/test-program.ts reads.

#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "core/block_jobs.h"
#include "core/engine_thread.h"

namespace {

using namespace rank_distillm;

int failures = 0;

/// Whole numbers, in words.
void report(const std::string& name, const std::vector<int>& found, const std::vector<int>& wanted) {
  const auto words = [](const std::vector<int>& numbers) {
    std::string text;
    for (const int number : numbers) text.append(" ").append(std::to_string(number));
    return text;
  };
  if (found != wanted) ++failures;
  std::cout << R"({"name": ")" << name << R"(", "ok": )" << (found == wanted ? "true" : "false")
            << R"(, "detail": "found)" << words(found) << ", expected" << words(wanted) << "\"}" << std::endl;
}

/// The blocks of a bf16 gradient depend on the number of threads: every new engine thread must use the configured one.
void test_thread_count() {
  constexpr int threads = 3, starts = 100;
  auto& engine_thread = EngineThread::instance();
  engine_thread.set_threads(threads);
  int found = 0;
  for (int start = 0; start < starts; ++start) {
    engine_thread.retain();
    std::promise<int> used;
    engine_thread.post(nullptr,
                       [&used](const EngineThread::TakeWorkers& workers) { used.set_value(workers().count()); });
    if (used.get_future().get() == threads) ++found;
    engine_thread.release();
  }
  report("a new engine thread uses the configured number of threads", {found}, {starts});
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
  report("the last user leaves while the next one arrives", {ended}, {rounds});
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
  std::vector<int> order;
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
  report("blocks are taken from the stream that has had the fewest tokens", order,
         {1, 1, 1, 0, 2, 0, 3, 3, 1, 3, 1, 1});
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
  report("a new job's block runs between two layers of another's", {done_between_layers, large_blocks}, {1, 2});
}

}  // namespace

int main() {
  test_order_of_blocks();
  test_block_between_layers();
  test_thread_count();
  test_change_of_users();
  return failures == 0 ? 0 : 1;
}
