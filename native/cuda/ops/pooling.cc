#include "cuda/ops/pooling.h"

#include <ATen/ops/_segment_reduce_backward.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/segment_reduce.h>

namespace rank_distillm {
namespace {

const char* reduction(Pooling pooling) {
  if (pooling == Pooling::mean) return "mean";
  return pooling == Pooling::max ? "max" : "sum";
}

at::Tensor lengths_of(const DeviceBlock& block) { return at::diff(block.all.offsets).to(at::kLong); }

}  // namespace

at::Tensor device_pool(const at::Tensor& hidden, const DeviceBlock& block, Pooling pooling) {
  return at::segment_reduce(hidden, reduction(pooling), lengths_of(block), {}, {}, 0, /*unsafe=*/true);
}

at::Tensor device_pool_backward(const at::Tensor& gradient, const at::Tensor& hidden, const at::Tensor& pooled,
                                const DeviceBlock& block, Pooling pooling) {
  return at::_segment_reduce_backward(gradient.contiguous(), pooled, hidden, reduction(pooling), lengths_of(block), {});
}

}  // namespace rank_distillm
