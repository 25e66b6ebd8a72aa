// Activations and their derivatives, eight values a thread: they are bound by memory. LibTorch's epilogue for gelu is
// the tanh approximation, not the erf that these models have. Reference: cuda/ops/activation.cc.

#include "cuda/kernels/numbers.cuh"

namespace rank_distillm::cuda {
namespace {

constexpr int threads = 256;
constexpr float root_half = 0.70710678118654752F;
constexpr float root_two_over_pi = 0.79788456080286536F;
constexpr float one_over_root_two_pi = 0.39894228040143268F;
constexpr float cubic = 0.044715F;

RD_DEVICE float activated(float x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return 0.5F * x * (1.0F + erff(x * root_half));
    case Activation::gelu_tanh:
      return 0.5F * x * (1.0F + tanhf(root_two_over_pi * (x + cubic * x * x * x)));
    case Activation::relu:
      return x > 0.0F || x != x ? x : 0.0F;
  }
  return x;
}

RD_DEVICE float slope(float x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return 0.5F * (1.0F + erff(x * root_half)) + x * expf(-0.5F * x * x) * one_over_root_two_pi;
    case Activation::gelu_tanh: {
      const float tanh = tanhf(root_two_over_pi * (x + cubic * x * x * x));
      return 0.5F * (1.0F + tanh) + 0.5F * x * (1.0F - tanh * tanh) * root_two_over_pi * (1.0F + 3.0F * cubic * x * x);
    }
    case Activation::relu:
      return x > 0.0F ? 1.0F : 0.0F;
  }
  return 1.0F;
}

RD_DEVICE int64_t first_value() { return (static_cast<int64_t>(block_x()) * threads + thread_index()) * vector_size; }

RD_DEVICE int values_left(int64_t first, int64_t count) {
  const int64_t left = count - first;
  return left < vector_size ? static_cast<int>(left) : vector_size;
}

template <typename T, bool vector>
RD_KERNEL void forward_kernel(ActivationForward call) {
  const int64_t first = first_value();
  if (first >= call.count) return;
  const int left = values_left(first, call.count);
  float values[vector_size];
  load<vector>(static_cast<const T*>(call.input) + first, left, values);
#pragma unroll
  for (int i = 0; i < vector_size; ++i) values[i] = activated(values[i], call.activation);
  store<vector>(static_cast<T*>(call.output) + first, left, values);
}

template <typename T, bool vector>
RD_KERNEL void backward_kernel(ActivationBackward call) {
  const int64_t first = first_value();
  if (first >= call.count) return;
  const int left = values_left(first, call.count);
  float values[vector_size], before[vector_size];
  load<vector>(static_cast<const T*>(call.gradient) + first, left, values);
  load<vector>(static_cast<const T*>(call.before) + first, left, before);
#pragma unroll
  for (int i = 0; i < vector_size; ++i) values[i] *= slope(before[i], call.activation);
  store<vector>(static_cast<T*>(call.output) + first, left, values);
}

int64_t blocks_for(int64_t count) {
  constexpr int64_t values = int64_t{threads} * vector_size;
  return (count + values - 1) / values;
}

}  // namespace

void activation_forward(const ActivationForward& call, Stream stream) {
  const bool vector = reads_vectors(call.count, vector_size, call.input, call.output);
  with_type(call.type, [&](auto type) {
    using T = decltype(type);
    launch(vector ? forward_kernel<T, true> : forward_kernel<T, false>, {blocks_for(call.count)}, threads, stream,
           call);
  });
}

void activation_backward(const ActivationBackward& call, Stream stream) {
  const bool vector = reads_vectors(call.count, vector_size, call.before, call.gradient, call.output);
  with_type(call.type, [&](auto type) {
    using T = decltype(type);
    launch(vector ? backward_kernel<T, true> : backward_kernel<T, false>, {blocks_for(call.count)}, threads, stream,
           call);
  });
}

}  // namespace rank_distillm::cuda
