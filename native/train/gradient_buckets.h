#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "train/parameters.h"

namespace rank_distillm {

/// Sums gradients over the ranks of a run. The addon that communicates makes it, and the trainer of either addon calls
/// it, so that it is plain C.
struct GradientSums {
  /// Tells it from any other pointer that JavaScript hands on.
  static constexpr uint64_t expected_kind = 0x7264'7375'6d73'0001;

  uint64_t kind = expected_kind;
  void* state = nullptr;
  /// Begins to sum values in place, from any thread, without waiting. All ranks begin the same counts in the same
  /// order. `device` is the number of a GPU, or -1.
  void (*begin)(void* state, float* values, int64_t count, int device) = nullptr;
};

/// Told that the gradients of a layer's weights are complete; from any thread.
using LayerDone = std::function<void(int64_t layer)>;

/// A range of the flat gradient array.
struct GradientBucket {
  int64_t first = 0;
  int64_t count = 0;
  int stage = 0;  // of the backward, after which it is complete
};

/// The ranges in the order in which a backward completes them, which depends on the layout alone. Stage 0 is the head;
/// then come the layers from the last to the first, then the embeddings.
std::vector<GradientBucket> gradient_buckets(const ParameterLayout& layout, int64_t layers);

/// Hands the ranges of the gradients over while a backward completes them, in their order. Without `sums` it does
/// nothing.
class GradientHandover {
 public:
  GradientHandover(const std::vector<GradientBucket>& buckets, const GradientSums* sums, float* gradients, int device);

  /// From any thread. A layer may be complete before the one above it.
  void head_done() { done(0); }
  void layer_done(int64_t layer, int64_t layers) { done(static_cast<int>(layers - layer)); }
  void all_done();

 private:
  void done(int stage);
  void hand_over();

  const std::vector<GradientBucket>& buckets_;
  const GradientSums* sums_;
  float* gradients_;
  int device_;
  std::mutex mutex_;        // guards the members below
  std::vector<bool> done_;  // by stage
  size_t complete_ = 0;     // stages before this one are done
  size_t next_ = 0;         // bucket
};

}  // namespace rank_distillm
