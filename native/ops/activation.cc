#include "ops/activation.h"

#include <ATen/ops/gelu.h>

namespace rank_distillm {

at::Tensor activate_(at::Tensor values, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu_(values);
    case Activation::gelu_tanh:
      return at::gelu_(values, "tanh");
    case Activation::relu:
      return values.relu_();
  }
  return values;
}

}  // namespace rank_distillm
