#pragma once

#include "core/workers.h"
#include "train/parameters.h"

namespace rank_distillm {

/// One step of torch.optim.AdamW (Loshchilov and Hutter 2019), all parameters in one group.
struct AdamWStep {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  int64_t step = 1;       // 1-based, for the bias corrections
  double scale = 1;       // multiplies the gradients first: clipping by norm
  double clip_value = 0;  // then each is clamped to ±clip_value; 0 clamps none
};

/// Updates values and moments in one pass over the flat arrays and zeroes the gradients.
void adamw_step(Parameters& parameters, const AdamWStep& step, Workers& workers);

/// Euclidean norm of all gradients, summed in float64 in an order that does not depend on the number of threads.
double gradient_norm(const Parameters& parameters, Workers& workers);

}  // namespace rank_distillm
