#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/workers.h"
#include "model/scoring_model.h"
#include "model/weights.h"
#include "train/training_model.h"

namespace rank_distillm {

struct ErrorWords {
  const char* code;
  std::string message;
};

/// What differs between the two addons: which models they make. One is for the CPU (addon.cc), one for the devices of
/// LibTorch (torch/addon.cc).
struct Backend {
  std::shared_ptr<ScoringModel> (*make_model)(const ModelOptions&, std::vector<TensorSource>, Workers&);
  std::shared_ptr<TrainingModel> (*make_trainer)(const TrainerOptions&, std::vector<TensorSource>, Workers&);
  /// Code and message of an error of a library; nothing for other errors.
  std::optional<ErrorWords> (*words_of)(const std::exception&);
};

}  // namespace rank_distillm
