#include "train/packed_linear.h"

#include "core/parallel.h"
#include "model/linear.h"

namespace rank_distillm {
PackedLinear::PackedLinear(const LinearOf<Tensor>& layer, ElementType type)
    : type_(type),
      out_(layer.weight.size(0)),
      in_(layer.weight.size(1)),
      weight_(layer.weight.data()),
      bias_(layer.bias.data()),
      weight_gradient_(layer.weight_gradient.data()),
      bias_gradient_(layer.bias_gradient.data()) {
  forward_ = PackedWeights(kernels(), type, weight_, bias_, out_, in_, on_this_thread);
  const int64_t steps = panel_steps(kernels(), out_, type);
  backward_panels_ = AlignedBuffer(panel_bytes(kernels(), in_, steps));
  no_bias_ = AlignedBuffer(panel_bytes(kernels(), in_, 1));
  backward_ = {backward_panels_.data(), out_, in_, steps, no_bias_.as<float>()};
  pack_backward();
}

void PackedLinear::pack_forward() { forward_.fill(weight_, bias_, on_this_thread); }

void PackedLinear::pack_backward() {
  const Rows rows = {reinterpret_cast<char*>(const_cast<float*>(weight_)), 4 * in_};
  kernels().pack_rows({out_, in_, rows, ElementType::float32, Epilogue::none, type_, backward_panels_.data(),
                       backward_.steps, 0, backward_.steps * 4 / element_bytes(type_) - out_});
}

void PackedLinear::forward(int64_t rows, const Rows& input, Epilogue epilogue, const Rows& output,
                           ElementType output_type, Counters& counters, const Rows& before) const {
  multiply({rows, input, nullptr, forward_.view(), epilogue, output, output_type, nullptr, before}, type_, counters);
}

void PackedLinear::backward(int64_t rows, const Rows& gradient, Epilogue epilogue, const Rows& output,
                            ElementType output_type, Counters& counters, const Rows& before) const {
  multiply({rows, gradient, nullptr, backward_, epilogue, output, output_type, nullptr, before}, type_, counters);
}

}  // namespace rank_distillm
