#include "model/workspace.h"

#include <cstring>

namespace rank_distillm {

char* Workspace::bytes(Slot slot, int64_t size) {
  auto& buffer = buffers_[static_cast<size_t>(slot)];
  if (static_cast<int64_t>(buffer.size()) < size) {
    buffer = AlignedBuffer();  // frees the old one before allocating
    buffer = AlignedBuffer(size);
  }
  return buffer.data();
}

Rows Workspace::rows(Slot slot, int64_t count, int64_t columns, int64_t bytes_each) {
  const int64_t stride = row_stride(columns, bytes_each), used = columns * bytes_each;
  const Rows rows = {bytes(slot, count * stride), stride};
  for (int64_t r = 0; r < count; ++r) std::memset(rows.row(r) + used, 0, stride - used);
  return rows;
}

namespace {

thread_local std::array<Workspace, 2> workspaces;
thread_local size_t in_use = 0;

}  // namespace

Workspace& thread_workspace() { return workspaces.front(); }

ThreadWorkspace::ThreadWorkspace() : memory_(workspaces.at(in_use)) { ++in_use; }

ThreadWorkspace::~ThreadWorkspace() { --in_use; }

}  // namespace rank_distillm
