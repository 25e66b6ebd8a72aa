#include "cuda/device_cross_encoder.h"

#include "cuda/score_in_blocks.h"

namespace rank_distillm {
namespace {

/// Blocks per batch: its scores are copied back together while the next batch is queued.
constexpr int64_t blocks_per_window = 4;

Device fitting_device(const ModelOptions& options, const std::vector<TensorSource>& tensors) {
  Device device(options.device.name, options.device.memory_fraction);
  reserve_room(device, tensors, device_precision(options) == ElementType::float32 ? 4 : 6);
  return device;
}

}  // namespace

DeviceCrossEncoder::DeviceCrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors, Workers& workers)
    : DeviceCrossEncoder{options, fitting_device(options, tensors), std::move(tensors), workers} {}  // in this order

DeviceCrossEncoder::DeviceCrossEncoder(const ModelOptions& options, const Device& device,
                                       std::vector<TensorSource> tensors, Workers& workers)
    : options_(options),
      precision_(device_precision(options)),
      parameters_(device_parameters(std::move(tensors), loop_on(workers), device.place(), /*trained=*/false)),
      model_(options, device, -1, parameters_),
      block_tokens_(first_block_tokens(model_, options.device.block_tokens)) {
  holds(parameters_.bytes() + model_.encoder().bytes());
}

int64_t DeviceCrossEncoder::window_tokens() const { return blocks_per_window * block_tokens_; }

Scores DeviceCrossEncoder::score(const PackedBatch& batch, Workers&, const CancelFlag& cancel) {
  const auto& config = options_.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  const DeviceScope scope(model_.device(), options_.device.tf32);
  return score_in_blocks(model_, batch, block_tokens_, options_.device.timed, cancel);
}

}  // namespace rank_distillm
