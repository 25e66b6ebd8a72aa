#include "cuda/device_model.h"

#include <ATen/Context.h>

#include <cstdio>

#include "core/error.h"
#include "cuda/kernels/kernels.h"
#include "cuda/ops/dropout.h"
#include "cuda/ops/pooling.h"

namespace rank_distillm {
namespace {

DropFirstRows drop_on(const DeviceBlock& block) {
  return [&block](const at::Tensor& values, const Dropout& dropout) { drop_rows_(values, dropout, block.first_rows); };
}

}  // namespace

DeviceModel::DeviceModel(const ModelOptions& options, const Device& device, int64_t padding_id,
                         const DeviceParameters& parameters)
    : device_(device),
      pooling_(options.head.pooling),
      encoder_(options.encoder, rows_needed(options.head.pooling), device_types(options), padding_id, parameters),
      head_(options.encoder, options.head, parameters) {}

at::Tensor DeviceModel::forward(const DevicePass& pass, State* state) const {
  const auto rows = encoder_.forward(pass, state == nullptr ? nullptr : &state->encoder);
  const bool first = pooling_ == Pooling::first;
  const auto pooled = first ? rows : device_pool(rows, pass.block, pooling_);
  DeviceHeadState unused;
  auto& head_state = state == nullptr ? unused : state->head;
  const auto scores = head_.forward(pooled, drop_on(pass.block), pass.dropout, head_state, pass.counters);
  if (state != nullptr && !first) state->pooled = pooled;
  return scores;
}

void DeviceModel::backward(const DevicePass& pass, State& state, const at::Tensor& gradient,
                           const LayerDone& layer_done) const {
  auto rows = head_.backward(gradient, drop_on(pass.block), pass.dropout, state.head, pass.counters);
  if (pooling_ != Pooling::first) {
    rows = device_pool_backward(rows, state.encoder.last, state.pooled, pass.block, pooling_);
  }
  encoder_.backward(pass, state.encoder, rows, layer_done);
}

DeviceScope::DeviceScope(const Device& device, bool tf32) : guard_(device.place()) {
  at::globalContext().setAllowTF32CuBLAS(tf32);
  // By default cuBLAS may sum the parts of a bfloat16 product in bfloat16. No model needs that, so it is not restored.
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
}

ElementType device_precision(const ModelOptions& options) {
  if (are_integers(options.precision)) {
    throw Error("unsupported", std::string("precision: ") + name_of(options.precision) +
                                   " is for CPUs; a GPU computes in float32 or bfloat16");
  }
  return options.precision;
}

DeviceTypes device_types(const ModelOptions& options) {
  if (device_precision(options) == ElementType::float32) return {at::kFloat, at::kFloat};
  return {at::kBFloat16, options.device.bfloat16_stream ? at::kBFloat16 : at::kFloat};
}

void reserve_room(Device& device, const std::vector<TensorSource>& tensors, int64_t bytes_per_number) {
  int64_t numbers = 0;
  for (const auto& tensor : tensors) numbers += count_of(tensor.shape);
  const auto needed = numbers * bytes_per_number, free = device.free_bytes();
  if (needed <= free) return device.keep(needed);
  throw Error("out_of_memory", "the model needs " + in_words(needed) + " on " + device.name() + ", of whose " +
                                   in_words(device.total_bytes()) + " this process can have " + in_words(free));
}

std::string in_words(int64_t bytes) {
  const bool small = bytes < 100'000'000;
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f %s", static_cast<double>(bytes) / (small ? 1e6 : 1e9), small ? "MB" : "GB");
  return text;
}

}  // namespace rank_distillm
