#include "cuda/device_trainer.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "cuda/runtime.h"
#include "cuda/score_in_blocks.h"

namespace rank_distillm {
namespace {

/// Of values, gradients and two moments in float32, and a copy of the values in bfloat16.
constexpr int64_t bytes_per_parameter = 18;
/// A float64 norm copies its input, so it takes this many values at a time.
constexpr int64_t numbers_per_norm = int64_t{1} << 22;
/// Share of the remaining free memory for activations; backward's temporaries and the allocator need the rest.
constexpr double share_of_free = 0.7;

Device fitting_device(const TrainerOptions& options, const std::vector<TensorSource>& tensors) {
  Device device(options.model.device.name, options.model.device.memory_fraction);
  reserve_room(device, tensors, bytes_per_parameter);
  return device;
}

}  // namespace

struct DeviceTrainer::Kept {
  TrainingBatch batch;
  DropoutRates dropout;
  DeviceBlock block;
  DeviceModel::State state;
};

DeviceTrainer::DeviceTrainer(const TrainerOptions& options, std::vector<TensorSource> tensors, Workers& workers)
    : DeviceTrainer{options, fitting_device(options, tensors), std::move(tensors), workers} {}  // braces: in this order

DeviceTrainer::DeviceTrainer(const TrainerOptions& options, const Device& device, std::vector<TensorSource> tensors,
                             Workers& workers)
    : TrainingModel(options, device_precision(options.model)),
      parameters_(device_parameters(std::move(tensors), loop_on(workers), device.place())),
      model_(options.model, device, options.padding_id, parameters_),
      block_tokens_(first_block_tokens(model_, options.model.device.block_tokens)),
      activation_bytes_(static_cast<int64_t>(share_of_free * static_cast<double>(device.free_bytes()))),
      buckets_(gradient_buckets(parameters_.layout(), options.model.encoder.layers)),
      steps_(at::zeros({}, parameters_.values().options())) {}

Scores DeviceTrainer::score(const PackedBatch& batch, Workers&, const CancelFlag& cancel) {
  const auto& config = options_.model.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  const DeviceScope scope(model_.device(), tf32());
  return score_in_blocks(model_, batch, block_tokens_, options_.model.device.timed, cancel);
}

void DeviceTrainer::try_room(int64_t bytes) const {
  at::empty({bytes}, at::TensorOptions().dtype(at::kByte).device(model_.device().place()));
}

int64_t DeviceTrainer::kept_tokens() const {
  int64_t tokens = 0;
  for (const auto& [name, kept] : kept_) tokens += kept->block.tokens;
  return tokens;
}

TrainingModel::Forward DeviceTrainer::forward(TrainingBatch batch, uint32_t step, bool keep, Workers&,
                                              const CancelFlag& cancel) {
  check(batch);
  const DeviceScope scope(model_.device(), tf32());
  const auto start = std::chrono::steady_clock::now();
  const auto tokens = static_cast<int64_t>(batch.packed.input_ids.size());
  const Block whole = {0, batch.packed.sequences(), 0, tokens};
  Forward result;
  try {
    const auto& encoder = model_.encoder();
    model_.device().take(keep ? (kept_tokens() + tokens) * encoder.kept_bytes_per_token() + encoder.backward_bytes()
                              : tokens * encoder.passing_bytes_per_token());
    DeviceBlock block(batch.packed, whole, batch.pairs.data(), model_.device(), encoder.config().first_position);
    auto kept = std::make_shared<Kept>(Kept{std::move(batch), options_.rates(step), std::move(block), {}});
    OpClock clock(model_.device(), options_.model.device.timed);
    const DevicePass pass = {kept->block, kept->dropout, cancel, result.scores.counters, clock};
    const auto values = model_.forward(pass, keep ? &kept->state : nullptr).cpu();
    clock.read(result.scores.counters.ticks);
    if (keep) try_room(tokens * encoder.passing_bytes_per_token() + encoder.backward_bytes());
    result.scores.values.assign(values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel());
    if (keep) {
      result.kept = next_kept_++;
      kept_[result.kept] = std::move(kept);
    }
  } catch (const std::exception& error) {
    if (!means_out_of_memory(error)) throw;
    cuda::empty_cache();
    throw Error("out_of_memory", model_.device().name() + ": a part of " + std::to_string(tokens) +
                                     " tokens does not fit into the " + in_words(model_.device().free_bytes()) +
                                     " that are free");
  }
  result.scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.scores.seconds_per_tick = OpClock::seconds_per_tick;
  return result;
}

GradientHandover DeviceTrainer::handover(const GradientSums* sums) const {
  const auto& gradients = parameters_.gradients();
  return {buckets_, sums, gradients.data_ptr<float>(), gradients.is_cpu() ? -1 : gradients.get_device()};
}

void DeviceTrainer::sum_gradients(const GradientSums& sums) {
  const DeviceScope scope(model_.device(), tf32());
  handover(&sums).all_done();
}

Counters DeviceTrainer::backward(int64_t name, const std::vector<float>& gradient, Workers&, const GradientSums* sums) {
  const auto found = kept_.find(name);
  if (found == kept_.end()) throw bad_input("backward: nothing is kept under this number");
  const auto kept = std::move(found->second);
  kept_.erase(found);  // even on failure: an interrupted backward cannot be repeated
  if (static_cast<int64_t>(gradient.size()) != kept->block.sequences) {
    throw bad_input("backward: the gradient must have one value for each sequence");
  }
  const DeviceScope scope(model_.device(), tf32());
  Counters counters;
  OpClock clock(model_.device(), false);
  const auto on_host = at::from_blob(const_cast<float*>(gradient.data()), {kept->block.sequences}, at::kFloat);
  const auto scores = on_host.clone().to(model_.device().place());
  // What is handed over may still be computed: sums on a GPU follow in the order of its stream.
  auto completed = handover(sums);
  model_.backward({kept->block, kept->dropout, make_cancel_flag(), counters, clock}, kept->state, scores,
                  [&](int64_t layer) {
                    completed.head_done();
                    completed.layer_done(layer, options_.model.encoder.layers);
                  });
  completed.all_done();
  model_.device().synchronize();
  return counters;
}

double DeviceTrainer::gradient_norm(Workers&) const {
  const DeviceScope scope(model_.device(), tf32());
  std::vector<at::Tensor> norms;
  for (const auto& part : parameters_.gradients().split(numbers_per_norm)) {
    norms.push_back(at::linalg_vector_norm(part, 2, {}, false, at::kDouble));
  }
  return at::linalg_vector_norm(at::stack(norms)).item<double>();
}

void DeviceTrainer::step(const AdamWStep& step, Workers&) {
  const DeviceScope scope(model_.device(), tf32());
  const auto& gradients = parameters_.gradients();
  if (step.scale != 1) gradients.mul_(step.scale);
  if (step.clip_value > 0) gradients.clamp_(-step.clip_value, step.clip_value);
  steps_.fill_(static_cast<double>(step.step));
  at::_fused_adamw_({parameters_.values()}, {gradients}, {parameters_.first_moments()}, {parameters_.second_moments()},
                    {}, {steps_}, step.learning_rate, step.beta1, step.beta2, step.weight_decay, step.eps,
                    /*amsgrad=*/false, /*maximize=*/false);
  gradients.zero_();
  model_.encoder().weights_changed();
}

void DeviceTrainer::zero_gradients() {
  const DeviceScope scope(model_.device(), tf32());
  parameters_.gradients().zero_();
}

std::vector<float> DeviceTrainer::read_part(FlatArray array, int64_t offset, int64_t count) const {
  const DeviceScope scope(model_.device(), tf32());
  const auto part = parameters_.flat(array).narrow(0, offset, count).cpu();
  return {part.const_data_ptr<float>(), part.const_data_ptr<float>() + count};
}

void DeviceTrainer::write_part(FlatArray array, int64_t offset, const std::vector<float>& values) {
  const DeviceScope scope(model_.device(), tf32());
  const auto count = static_cast<int64_t>(values.size());
  const auto on_host = at::from_blob(const_cast<float*>(values.data()), {count}, at::kFloat);
  parameters_.flat(array).narrow(0, offset, count).copy_(on_host);
  if (array == FlatArray::values) model_.encoder().weights_changed();
}

int64_t DeviceTrainer::tokens_per_part() const { return block_tokens_; }

}  // namespace rank_distillm
