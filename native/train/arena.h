#pragma once

#include <cstdint>
#include <vector>

#include "core/aligned_buffer.h"
#include "kernels/kernels.h"

namespace rank_distillm {

/// Memory that is handed out piece by piece and given back all at once. After its first use it is one piece as large as
/// that use was: no allocation and no page fault in steady state.
class Arena {
 public:
  /// Makes sure that so much is one piece. Only for an arena of which nothing is handed out.
  void reserve(int64_t size);

  /// At a multiple of 64; what it holds is left over.
  char* bytes(int64_t size);

  /// Rows of zeros beyond their columns.
  Rows rows(int64_t count, int64_t columns, int64_t bytes_each);

  /// Numbers that are left over.
  float* floats(int64_t count) { return reinterpret_cast<float*>(bytes(4 * count)); }

  /// Of all pieces.
  int64_t size() const;

  /// Everything that was handed out is free again, and all of it is made one piece.
  void reset();

  /// Hands out the same memory once more from its beginning; what was handed out before stays good to read and write.
  void rewind();

 private:
  std::vector<AlignedBuffer> pieces_;
  size_t piece_ = 0;  // that is handed out of
  int64_t used_ = 0;  // of it
};

}  // namespace rank_distillm
