// Selects the attention kernel of a call. References: cuda/ops/attention.cc.

#include <stdexcept>

#include "cuda/kernels/attention_backward.cuh"
#include "cuda/kernels/attention_forward.cuh"
#include "cuda/kernels/attention_rows.cuh"

namespace rank_distillm::cuda {
namespace {

bool takes_tiles(Type type, const AttentionShape& shape) {
  return type == Type::bfloat16 && shape.head_size <= max_tensor_core_head;
}

void check(const AttentionShape& shape) {
  if (shape.head_size > max_head_size)
    throw std::runtime_error("attention: heads of more than 256 columns are not built");
}

template <typename... Rows>
bool by_vectors(const AttentionShape& shape, const Rows&... rows) {
  return (reads_vectors(shape.head_size, rows.stride, rows.data) && ...);
}

/// Calls `body` with a head's compile-time constants: body(size, vector).
template <typename Body>
void with_head(int head_size, bool vector, const Body& body) {
  const auto call = [&](auto size) {
    if (vector) {
      body(size, std::true_type());
    } else {
      body(size, std::false_type());
    }
  };
  if (head_size <= 32) return call(std::integral_constant<int, 32>());
  if (head_size <= 64) return call(std::integral_constant<int, 64>());
  return call(std::integral_constant<int, 128>());
}

}  // namespace

void attention_forward(const AttentionForward& call, Stream stream) {
  const auto& shape = call.shape;
  check(shape);
  const Grid grid = {shape.query_tile_count, shape.heads};
  if (takes_tiles(call.type, shape)) {
    with_head(shape.head_size, by_vectors(shape, call.query, call.key, call.value, call.context),
              [&](auto size, auto vector) {
                launch(attention_forward_kernel<size.value, vector.value>, grid, tile_threads, stream, call);
              });
    return;
  }
  with_type(call.type, [&](auto type) {
    launch(attention_rows_forward_kernel<decltype(type)>, grid, row_warps * warp_lanes, stream, call);
  });
}

void attention_backward(const AttentionBackward& call, Stream stream) {
  const auto& shape = call.shape;
  check(shape);
  const Grid queries = {shape.query_tile_count, shape.heads}, keys = {shape.key_tile_count, shape.heads};
  constexpr int threads = row_warps * warp_lanes;
  with_type(call.type, [&](auto type) {
    launch(attention_delta_kernel<decltype(type)>, queries, threads, stream, call);
    if (takes_tiles(call.type, shape)) return;
    launch(attention_rows_backward_queries_kernel<decltype(type)>, queries, threads, stream, call);
    launch(attention_rows_backward_keys_kernel<decltype(type)>, keys, threads, stream, call);
  });
  if (!takes_tiles(call.type, shape)) return;
  const bool vectors = by_vectors(shape, call.query, call.key, call.value, call.gradient, call.query_gradient,
                                  call.key_gradient, call.value_gradient);
  with_head(shape.head_size, vectors, [&](auto size, auto vector) {
    launch(attention_backward_queries_kernel<size.value, vector.value>, queries, tile_threads, stream, call);
    launch(attention_backward_keys_kernel<size.value, vector.value>, keys, tile_threads, stream, call);
  });
}

}  // namespace rank_distillm::cuda
