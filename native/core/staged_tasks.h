#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/workers.h"

namespace rank_distillm {

/// Stages of tasks that threads take in the order they were added. A task may depend on earlier ones; the thread that
/// takes it waits for them. With independent stages in between no thread waits: there are no barriers, and only the
/// last stage has a tail.
class StagedTasks {
 public:
  static constexpr int none = -1;

  struct Stage {
    int64_t tasks = 0;
    std::function<void(int64_t)> run;
    int after_all = none;                  // an earlier stage that must be complete before a task of this one begins
    int after_same = none;                 // an earlier stage whose task of the same number must be complete
    std::function<void()> done = nullptr;  // called by the thread that completes the last task; throws nothing
  };

  /// Returns the stage's number.
  int add(Stage stage);

  /// Runs all tasks; throws the first error, after which no task begins.
  void run(Workers& workers) const;

 private:
  std::vector<Stage> stages_;
};

}  // namespace rank_distillm
