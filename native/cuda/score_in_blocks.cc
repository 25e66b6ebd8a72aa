#include "cuda/score_in_blocks.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/error.h"
#include "cuda/runtime.h"

namespace rank_distillm {
namespace {

/// Products of a GPU of 132 processors come in tiles of 128 rows by 256 columns: with 768 columns three tiles a row of
/// tiles, so that 44 rows of tiles, 5632 tokens, are a whole round of them. Eight rounds hide the launches.
constexpr int64_t usual_block_tokens = int64_t{8} * 5632;
constexpr int64_t fewest_block_tokens = 512;
/// Share of free memory for a block; the allocator needs the rest.
constexpr double share_of_free = 0.8;

at::Tensor score_block(const DeviceModel& model, const PackedBatch& batch, const Block& block, bool timed,
                       const CancelFlag& cancel, Scores& scores) {
  model.device().take(block.tokens * model.encoder().passing_bytes_per_token());
  const DeviceBlock on_device(batch, block, nullptr, model.device(), model.encoder().config().first_position);
  OpClock clock(model.device(), timed);
  Counters counters;
  const auto values = model.forward({on_device, DropoutRates(), cancel, counters, clock}, nullptr);
  clock.read(counters.ticks);
  scores.counters += counters;
  return values;
}

Error does_not_fit(const Device& device, const Block& block) {
  return Error("out_of_memory", device.name() + ": a single sequence of " + std::to_string(block.tokens) +
                                    " tokens does not fit into the " + in_words(device.free_bytes()) +
                                    " that are free");
}

}  // namespace

int64_t first_block_tokens(const DeviceModel& model, int64_t asked) {
  if (asked > 0) return asked;
  const auto room = share_of_free * static_cast<double>(model.device().free_bytes());
  const auto fit = static_cast<int64_t>(room) / model.encoder().passing_bytes_per_token();
  return std::clamp(fit, fewest_block_tokens, usual_block_tokens);
}

Scores score_in_blocks(const DeviceModel& model, const PackedBatch& batch, int64_t& block_tokens, bool timed,
                       const CancelFlag& cancel) {
  const auto start = std::chrono::steady_clock::now();
  Scores scores;
  std::vector<at::Tensor> found;
  for (int64_t done = 0; done < batch.sequences();) {
    const auto block = next_even_block(batch, done, block_tokens);
    try {
      found.push_back(score_block(model, batch, block, timed, cancel, scores));
      done += block.sequences;
    } catch (const std::exception& error) {
      if (!means_out_of_memory(error)) throw;
      if (block.sequences == 1) throw does_not_fit(model.device(), block);
      block_tokens = block.tokens / 2;
      scores.halved_to = block_tokens;
      cuda::empty_cache();
    }
  }
  if (!found.empty()) {
    const auto values = at::cat(found).cpu();
    scores.values.assign(values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel());
  }
  scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  scores.seconds_per_tick = OpClock::seconds_per_tick;
  if (timed) scores.counters.ticks.all = static_cast<uint64_t>(scores.seconds / OpClock::seconds_per_tick);
  return scores;
}

}  // namespace rank_distillm
