#include "core/staged_tasks.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "core/instructions.h"

namespace rank_distillm {
namespace {

/// Completed tasks of a stage.
struct Progress {
  explicit Progress(int64_t tasks) : done(std::make_unique<std::atomic<bool>[]>(tasks)) {}

  std::unique_ptr<std::atomic<bool>[]> done;
  std::atomic<int64_t> count = 0;
};

/// Waits are short if the stages are in a good order: spins first, then yields the core.
template <typename Ready>
void wait_until(const Ready& ready) {
  constexpr int spins = 2000;
  for (int i = 0; !ready(); ++i) {
    if (i < spins) {
      spin_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace

int StagedTasks::add(Stage stage) {
  stages_.push_back(std::move(stage));
  return static_cast<int>(stages_.size()) - 1;
}

void StagedTasks::run(Workers& workers) const {
  std::vector<std::unique_ptr<Progress>> progress;
  std::vector<std::pair<int, int64_t>> order;
  for (size_t s = 0; s < stages_.size(); ++s) {
    progress.push_back(std::make_unique<Progress>(stages_[s].tasks));
    for (int64_t task = 0; task < stages_[s].tasks; ++task) order.emplace_back(static_cast<int>(s), task);
  }
  const auto tasks = static_cast<int64_t>(order.size());
  std::atomic<int64_t> next = 0;
  std::atomic<bool> failed = false;
  const auto take = [&](int64_t) {
    for (;;) {
      const int64_t taken = next++;
      if (taken >= tasks) return;
      const auto [number, task] = order[taken];
      const auto& stage = stages_[number];
      // Tasks are taken in order, so this one's dependencies are complete or running on another thread.
      wait_until([&] {
        return failed ||
               ((stage.after_all == none || progress[stage.after_all]->count == stages_[stage.after_all].tasks) &&
                (stage.after_same == none || progress[stage.after_same]->done[task]));
      });
      if (failed) return;
      try {
        stage.run(task);
      } catch (...) {
        failed = true;
        throw;
      }
      progress[number]->done[task] = true;
      if (++progress[number]->count == stage.tasks && stage.done) stage.done();
    }
  };
  workers.run(std::min<int64_t>(workers.count(), tasks), take);
}

}  // namespace rank_distillm
