// Threads of the engine. Prints one line of JSON per case, which test/native/test-program.ts reads.

#include <algorithm>
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

/// A job of sequences of these lengths.
BlockJob job_of(const CancelFlag& stream, const std::vector<int>& lengths) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  for (const int length : lengths) batch.cu_seqlens.push_back(batch.cu_seqlens.back() + length);
  batch.input_ids.resize(batch.cu_seqlens.back());
  batch.token_type_ids.resize(batch.cu_seqlens.back());
  BlockJob job;
  job.cancel = stream;
  job.batch = std::make_shared<ScoredBatch>(std::move(batch), 1);
  return job;
}

/// Whose blocks are taken when: of the stream with the fewest tokens so far, a new one at once.
void test_order_of_blocks() {
  BlockJobs jobs;
  const auto large = make_cancel_flag(), small = make_cancel_flag(), other = make_cancel_flag();
  std::vector<int> order;
  const auto take = [&](BlockJobs::Which which = BlockJobs::Which::any) {
    const auto block = jobs.take(which, 1);
    if (block.empty()) return order.push_back(0);
    const auto& flag = block.pieces.front().entry->job.cancel;
    order.push_back(flag == large ? 1 : flag == small ? 2 : 3);
    for (const auto& piece : block.pieces) {
      if (jobs.finish(piece, nullptr)) jobs.remove(piece.entry);
    }
  };
  jobs.add(job_of(large, std::vector<int>(6, 800)));
  jobs.add(job_of(large, std::vector<int>(6, 800)));
  take(), take(), take();               // 1 1 1
  take(BlockJobs::Which::new_streams);  // 0
  jobs.add(job_of(small, {10}));
  take(BlockJobs::Which::new_streams);  // 2
  take(BlockJobs::Which::new_streams);  // 0: it is done
  jobs.add(job_of(other, {800, 800, 800}));
  take(), take(), take(), take(), take();  // 3 1 3 1 3: turns, of equals the one that came first
  jobs.add(job_of(small, {10}));
  large->store(true);
  take(BlockJobs::Which::new_streams);  // 1: cancelled, so it costs nothing
  report("blocks are taken from the stream that has had the fewest tokens", order,
         {1, 1, 1, 0, 2, 0, 3, 1, 3, 1, 3, 1});
}

/// Every block of a long job lets new streams come between its layers, the last ones too; those of a short job do not.
void test_blocks_that_yield() {
  std::vector<int> yields;
  for (const int sequences : {1, 2, 3, 12}) {
    BlockJobs jobs;
    jobs.add(job_of(make_cancel_flag(), std::vector<int>(sequences, 700)));
    int blocks = 0;
    for (auto block = jobs.take(BlockJobs::Which::any, 1); !block.empty();
         block = jobs.take(BlockJobs::Which::any, 1)) {
      if (block.yields) ++blocks;
      for (const auto& piece : block.pieces) {
        if (jobs.finish(piece, nullptr)) jobs.remove(piece.entry);
      }
    }
    yields.push_back(blocks);
  }
  report("all blocks of a long job yield", yields, {0, 0, 3, 12});
}

/// A job of one block for each thread is divided evenly, a longer one in blocks that shrink.
void test_even_blocks() {
  std::vector<int> found;  // of each block its sequences, of each job 100
  for (const int sequences : {1, 2, 3, 10, 15, 20}) {
    BlockJobs jobs;
    jobs.add(job_of(make_cancel_flag(), std::vector<int>(sequences, 100)));
    for (auto block = jobs.take(BlockJobs::Which::any, 2); !block.empty();
         block = jobs.take(BlockJobs::Which::any, 2)) {
      for (const auto& piece : block.pieces) {
        found.push_back(static_cast<int>(piece.part.sequences));
        if (jobs.finish(piece, nullptr)) jobs.remove(piece.entry);
      }
    }
    found.push_back(100);
  }
  report("a small job has one block for each thread", found,
         {1, 100, 1, 1, 100, 1, 1, 1, 100, 5, 5, 100, 7, 7, 1, 100, 5, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 100});
}

/// Small requests share blocks of their model, in turn; a large one fills blocks alone.
void test_shared_blocks() {
  BlockJobs jobs;
  const int models[2] = {};
  std::vector<CancelFlag> flags(6);
  for (auto& flag : flags) flag = make_cancel_flag();
  const auto add = [&](int number, const std::vector<int>& lengths, int model = 0) {
    auto job = job_of(flags[number], lengths);
    job.model = &models[model];
    jobs.add(std::move(job));
  };
  std::vector<int> found;  // of each piece its job and sequences, of each block 100
  const auto take = [&] {
    for (const auto& piece : jobs.take(BlockJobs::Which::any, 1).pieces) {
      const auto at = std::find(flags.begin(), flags.end(), piece.entry->job.cancel) - flags.begin();
      found.insert(found.end(), {static_cast<int>(at), static_cast<int>(piece.part.sequences)});
      if (jobs.finish(piece, nullptr)) jobs.remove(piece.entry);
    }
    found.push_back(100);
  };
  add(4, {60});
  add(0, {700, 700, 700, 700});
  add(1, {100, 100});
  add(2, {100, 100}, 1);
  add(3, {300, 100, 100});
  add(5, {50, 30});
  for (int block = 0; block < 7; ++block) take();
  report("small jobs of a model share blocks", found,
         {4, 1, 1, 2, 3, 3, 100, 0, 1, 5, 1, 100, 2, 2, 100, 5, 1, 100, 0, 1, 100, 0, 1, 100, 0, 1, 100});
}

/// A job that arrives while a block runs is done when that block goes on to its next layer.
void test_block_between_layers() {
  auto& engine_thread = EngineThread::instance();
  engine_thread.set_threads(1);
  engine_thread.retain();
  std::atomic<int> small_done = 0, large_blocks = 0;
  int done_between_layers = 0;
  std::promise<void> end;
  auto large = job_of(make_cancel_flag(), {800, 800, 800});
  large.run = [&](const std::vector<BatchPart>& parts, const std::function<void()>& between_layers) {
    if (parts.front().first == 0) {
      auto small = job_of(make_cancel_flag(), {10});
      small.run = [](const std::vector<BatchPart>&, const std::function<void()>& pause) { pause(); };
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
  report("a new job's block runs between two layers of another's", {done_between_layers, large_blocks}, {1, 3});
}

/// A job that is cancelled ends between two layers of the block that it shares; the others go on.
void test_cancelled_piece() {
  auto& engine_thread = EngineThread::instance();
  engine_thread.set_threads(1);
  engine_thread.retain();
  const auto cancelled = make_cancel_flag();
  std::atomic<int> parts_in_block = 0, aborted = 0;
  int aborted_between_layers = 0, scored = 0;
  std::promise<void> hold, end;
  auto first = job_of(make_cancel_flag(), {800});
  first.run = [&](const std::vector<BatchPart>&, const std::function<void()>&) { hold.get_future().get(); };
  first.done = [](const std::exception_ptr&) {};
  engine_thread.post_blocks(std::move(first));
  const BlockJob::Run run = [&](const std::vector<BatchPart>& parts, const std::function<void()>& between_layers) {
    parts_in_block = static_cast<int>(parts.size());
    cancelled->store(true);
    between_layers();
    aborted_between_layers = aborted;
  };
  auto gone = job_of(cancelled, {10}), kept = job_of(make_cancel_flag(), {20});
  gone.run = kept.run = run;
  gone.done = [&](const std::exception_ptr& error) { aborted += error ? 1 : 0; };
  kept.done = [&](const std::exception_ptr& error) {
    scored += error ? 0 : 1;
    end.set_value();
  };
  engine_thread.post_blocks(std::move(gone));
  engine_thread.post_blocks(std::move(kept));
  hold.set_value();
  end.get_future().get();
  engine_thread.release();
  report("a cancelled job leaves the block that it shares", {parts_in_block, aborted_between_layers, aborted, scored},
         {2, 1, 1, 1});
}

}  // namespace

int main() {
  test_order_of_blocks();
  test_blocks_that_yield();
  test_even_blocks();
  test_shared_blocks();
  test_cancelled_piece();
  test_block_between_layers();
  test_thread_count();
  test_change_of_users();
  return failures == 0 ? 0 : 1;
}
