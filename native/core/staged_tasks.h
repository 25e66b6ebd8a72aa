#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/workers.h"

namespace rank_distillm {

/// Stages of tasks that threads take in the order in which they were added. A task may need earlier ones; whoever takes
/// it waits for them. Where stages that need nothing of each other stand in between, nobody waits: no barrier, no tail
/// but the last.
class StagedTasks {
 public:
  static constexpr int none = -1;

  struct Stage {
    int64_t tasks = 0;
    std::function<void(int64_t)> run;
    int after_all = none;   // an earlier stage: every task of it is done before one of this one begins
    int after_same = none;  // an earlier stage: its task of the same number is
  };

  /// Returns the stage's number.
  int add(Stage stage);

  /// Runs all tasks; throws the first error, after which no task begins.
  void run(Workers& workers) const;

 private:
  std::vector<Stage> stages_;
};

}  // namespace rank_distillm
