#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace rank_distillm {

/// c10d's process group of NCCL, which sums tensors of GPUs without the host. Null in a build without CUDA, or that was
/// compiled where NCCL's header was not. It connects at its first collective.
c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int ranks,
                                            std::chrono::milliseconds timeout);

}  // namespace rank_distillm
