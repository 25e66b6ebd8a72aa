// Threads of the engine. Prints one line of JSON per case; test/native/threads.test.ts reads them.

#include <ATen/ATen.h>

#include <atomic>
#include <future>

#include "compare.h"
#include "core/engine_thread.h"
#include "core/parallel.h"

namespace {

using namespace rank_distillm;

/// The bits of a product depend on the number of threads, and so does its speed: every new engine thread must use the
/// number that is set, however its workers' start falls in with its first op.
void test_thread_count() {
  constexpr int threads = 3, starts = 100;
  auto& engine_thread = EngineThread::instance();
  engine_thread.set_threads(threads);
  const auto found = at::zeros({starts}, at::kDouble);
  for (int start = 0; start < starts; ++start) {
    engine_thread.retain();
    std::promise<int> used;
    engine_thread.post(nullptr, [&used](Workers&) {
      std::atomic<int> parts = 0;  // LibTorch hands each of its threads one part
      parallel_for(threads, 1, [&parts](int64_t, int64_t) { ++parts; });
      used.set_value(parts);
    });
    found[start] = used.get_future().get();
    engine_thread.release();
  }
  report("a new engine thread uses the number of threads that is set",
         {{"threads", found, at::full({starts}, static_cast<double>(threads), at::kDouble)}});
}

}  // namespace

int main() {
  test_thread_count();
  return failures == 0 ? 0 : 1;
}
