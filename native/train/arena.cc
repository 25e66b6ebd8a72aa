#include "train/arena.h"

#include <algorithm>
#include <cstring>

namespace rank_distillm {
namespace {

constexpr int64_t least_piece = int64_t{1} << 20;

}  // namespace

void Arena::reserve(int64_t size) {
  if (!pieces_.empty() && static_cast<int64_t>(pieces_.front().size()) >= size) return;
  pieces_.clear();
  pieces_.emplace_back(size);
}

char* Arena::bytes(int64_t size) {
  constexpr int64_t line = cache_line;
  const int64_t rounded = (size + line - 1) / line * line;
  while (piece_ < pieces_.size() && used_ + rounded > static_cast<int64_t>(pieces_[piece_].size())) {
    ++piece_;
    used_ = 0;
  }
  if (piece_ == pieces_.size()) pieces_.emplace_back(std::max(rounded, least_piece));
  used_ += rounded;
  return pieces_[piece_].data() + used_ - rounded;
}

Rows Arena::rows(int64_t count, int64_t columns, int64_t bytes_each) {
  const int64_t stride = row_stride(columns, bytes_each), filled = columns * bytes_each;
  const Rows rows = {bytes(count * stride), stride};
  for (int64_t r = 0; r < count; ++r) std::memset(rows.row(r) + filled, 0, stride - filled);
  return rows;
}

int64_t Arena::size() const {
  int64_t sum = 0;
  for (const auto& piece : pieces_) sum += static_cast<int64_t>(piece.size());
  return sum;
}

void Arena::reset() {
  rewind();
  if (pieces_.size() <= 1) return;
  const int64_t all = size();
  pieces_.clear();
  pieces_.emplace_back(all);
}

void Arena::rewind() {
  piece_ = 0;
  used_ = 0;
}

}  // namespace rank_distillm
