#include "cuda/device_block.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "cuda/kernels/kernels.h"

namespace rank_distillm {
namespace {

/// Numbers to copy to the device: gathered in pinned memory, copied once, returned as views.
class Upload {
 public:
  /// Returns the part's index.
  size_t add(std::vector<int32_t> values) {
    parts_.push_back(std::move(values));
    return parts_.size() - 1;
  }

  void send(const Device& device) {
    int64_t size = 0;
    for (const auto& part : parts_) size += padded(part.size());
    const bool is_gpu = device.place().is_cuda();
    auto host = at::empty({size}, at::TensorOptions().dtype(at::kInt).pinned_memory(is_gpu));
    auto* to = host.data_ptr<int32_t>();
    for (const auto& part : parts_) {
      std::memcpy(to, part.data(), part.size() * sizeof(int32_t));
      to += padded(part.size());
    }
    all_ = is_gpu ? host.to(device.place(), /*non_blocking=*/true) : host;
  }

  at::Tensor part(size_t index) const {
    int64_t start = 0;
    for (size_t i = 0; i < index; ++i) start += padded(parts_[i].size());
    return all_.narrow(0, start, static_cast<int64_t>(parts_[index].size()));
  }

 private:
  /// Each part is aligned to 16 bytes for vector reads.
  static int64_t padded(size_t size) { return (static_cast<int64_t>(size) + 3) / 4 * 4; }

  std::vector<std::vector<int32_t>> parts_;
  at::Tensor all_;
};

struct Numbers {
  std::vector<int32_t> tokens, pairs, offsets = {0}, tiles, first_offsets = {0}, first_tiles;
};

Numbers numbers_of(const std::vector<int64_t>& lengths, const uint32_t* pairs) {
  Numbers numbers;
  for (size_t s = 0; s < lengths.size(); ++s) {
    const auto length = static_cast<int32_t>(lengths[s]);
    const auto sequence = static_cast<int32_t>(s);
    for (int32_t t = 0; t < length; ++t) numbers.tokens.push_back(t);
    if (pairs != nullptr) numbers.pairs.insert(numbers.pairs.end(), length, static_cast<int32_t>(pairs[s]));
    numbers.offsets.push_back(numbers.offsets.back() + length);
    for (int32_t row = 0; row < length; row += cuda::attention_tile)
      numbers.tiles.insert(numbers.tiles.end(), {sequence, row});
    numbers.first_offsets.push_back(sequence + 1);
    numbers.first_tiles.insert(numbers.first_tiles.end(), {sequence, 0});
  }
  return numbers;
}

}  // namespace

DeviceBlock::DeviceBlock(const PackedBatch& batch, const Block& block, const uint32_t* pairs, const Device& device,
                         int64_t first_position)
    : sequences(block.sequences), tokens(block.tokens) {
  std::vector<int64_t> lengths;
  for (int64_t s = block.first_sequence; s < block.first_sequence + sequences; ++s) {
    lengths.push_back(batch.cu_seqlens[s + 1] - batch.cu_seqlens[s]);
  }
  auto numbers = numbers_of(lengths, pairs);
  const auto ids_begin = batch.input_ids.begin() + block.first_token;
  const auto types_begin = batch.token_type_ids.begin() + block.first_token;
  Upload upload;
  const auto id_part = upload.add({ids_begin, ids_begin + tokens});
  const auto type_part = upload.add({types_begin, types_begin + tokens});
  const auto token_part = upload.add(std::move(numbers.tokens));
  const auto position_part =
      first_position == 0 ? token_part : upload.add(token_positions(batch, block, first_position));
  const auto offset_part = upload.add(std::move(numbers.offsets));
  const auto tile_part = upload.add(std::move(numbers.tiles));
  const auto first_offset_part = upload.add(std::move(numbers.first_offsets));
  const auto first_tile_part = upload.add(std::move(numbers.first_tiles));
  const auto pair_part = upload.add(std::move(numbers.pairs));
  const auto first_pair_part =
      upload.add(pairs == nullptr ? std::vector<int32_t>() : std::vector<int32_t>(pairs, pairs + sequences));
  const auto zero_part = upload.add(std::vector<int32_t>(sequences, 0));
  upload.send(device);

  ids = upload.part(id_part);
  types = upload.part(type_part);
  positions = upload.part(position_part);
  rows.tokens = upload.part(token_part);
  first_rows.tokens = upload.part(zero_part);
  if (pairs != nullptr) {
    rows.pairs = upload.part(pair_part);
    first_rows.pairs = upload.part(first_pair_part);
  }
  all = {upload.part(offset_part), upload.part(tile_part).view({-1, 2}),
         *std::max_element(lengths.begin(), lengths.end())};
  first = {upload.part(first_offset_part), upload.part(first_tile_part).view({-1, 2}), 1};
  first_tokens = all.offsets.narrow(0, 0, sequences).to(at::kLong);
}

}  // namespace rank_distillm
