#pragma once

#include <cstdint>
#include <vector>

#include "core/aligned_buffer.h"
#include "kernels/kernels.h"

namespace rank_distillm {

/// Memory that is allocated piece by piece and freed all at once. After its first use it is one piece of the size of
/// that use: no allocation and no page fault in steady state.
class Arena {
 public:
  /// Makes one piece of at least this size. Only for an arena with nothing allocated from it.
  void reserve(int64_t size);

  /// At a multiple of 64; not initialized.
  char* bytes(int64_t size);

  /// Rows with zeros beyond their columns.
  Rows rows(int64_t count, int64_t columns, int64_t bytes_each);

  /// Not initialized.
  float* floats(int64_t count) { return reinterpret_cast<float*>(bytes(4 * count)); }

  /// Of all pieces.
  int64_t size() const;

  /// Frees everything that was allocated and merges the pieces into one.
  void reset();

  /// Allocates the same memory again from its beginning; earlier allocations may still be read and written.
  void rewind();

 private:
  std::vector<AlignedBuffer> pieces_;
  size_t piece_ = 0;  // current
  int64_t used_ = 0;  // of the current piece
};

}  // namespace rank_distillm
