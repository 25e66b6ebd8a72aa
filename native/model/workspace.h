#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/aligned_buffer.h"
#include "kernels/kernels.h"

namespace rank_distillm {

/// The buffers of a block's rows; each has separate memory.
enum class Slot : uint8_t {
  embedded,
  exact,
  compute,
  compute_scales,
  qkv,
  query,
  context,
  exact_context,
  branch,
  wide,
  wide_compute,
  wide_scales,
  rotated,
  first,
  first_wide,
  attention,
  head,
  scores,
  count
};

/// The memory of a thread that takes blocks through a model. It grows to the size of the largest block and is reused by
/// the next one: no allocation and no page fault in steady state.
class Workspace {
 public:
  /// Rows with zeros beyond their columns; the columns hold values of the last use.
  Rows rows(Slot slot, int64_t count, int64_t columns, int64_t bytes_each);

  char* bytes(Slot slot, int64_t size);

 private:
  std::array<AlignedBuffer, static_cast<size_t>(Slot::count)> buffers_;
};

/// The calling thread's, from block to block. Threads live as long as the engine.
Workspace& thread_workspace();

/// The same for a block between whose layers another may come, which has the thread's second workspace.
class ThreadWorkspace {
 public:
  ThreadWorkspace();
  ~ThreadWorkspace();
  ThreadWorkspace(const ThreadWorkspace&) = delete;
  ThreadWorkspace& operator=(const ThreadWorkspace&) = delete;

  Workspace& memory() const { return memory_; }

 private:
  Workspace& memory_;
};

}  // namespace rank_distillm
