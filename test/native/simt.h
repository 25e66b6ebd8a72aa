#pragma once

// A simulated GPU on one CPU thread, to test native/cuda/kernels without a GPU. A block's threads are fibers that
// switch at barriers and where a warp exchanges values. Shared memory is full of NaN when a block begins, and the
// threads' order can be reversed: a kernel that misses a barrier then gives other results.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <vector>

/// Saves the callee-saved registers and the stack in `*from` and continues with those of `to`. Like swapcontext without
/// its two system calls: a test switches millions of times.
extern "C" void simt_switch(void** from, void* to);
asm(R"(
.text
.weak simt_switch
.type simt_switch, @function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace simt {

struct Position {
  int thread = 0, threads = 0, block_x = 0, block_y = 0, blocks_x = 0;
};

[[noreturn]] inline void give_up(const char* what) {
  std::fprintf(stderr, "simt: %s\n", what);
  std::abort();
}

/// A running block of threads.
class Block {
 public:
  static inline Position at;               // of the running thread
  static inline Block* current = nullptr;  // the running block
  static inline bool backwards = false;    // order in which threads continue

  void run(int threads, const std::function<void()>& kernel) {
    kernel_ = &kernel;
    current = this;
    fibers_.resize(threads);
    for (int i = 0; i < threads; ++i) start(i);
    warps_.assign((threads + 31) / 32, {});
    left_ = threads;
    waiting_ = 0;
    while (left_ > 0) {
      bool moved = false;
      for (int i = 0; i < threads; ++i) moved = resume(backwards ? threads - 1 - i : i) || moved;
      if (!moved) give_up("threads wait for one another: a barrier that not all reach");
    }
    poisoned_.clear();
  }

  /// __syncthreads.
  void synchronize() {
    const int generation = generation_;
    if (++waiting_ == left_) {
      waiting_ = 0;
      ++generation_;
    }
    wait(generation_, generation);
  }

  /// Every lane's payload; returns when all 32 lanes have arrived.
  template <typename Payload>
  std::array<Payload, 32> exchange(const Payload& own) {
    static_assert(sizeof(Payload) <= room);
    auto& warp = warps_[at.thread / 32];
    const int generation = warp.generation;
    // Two alternating sets: a lane that is ahead may write the next one while others still read.
    auto& slots = warp.slots[generation % 2];
    std::memcpy(slots[at.thread % 32].data(), &own, sizeof(Payload));
    if (++warp.arrived == 32) {
      warp.arrived = 0;
      ++warp.generation;
    }
    wait(warp.generation, generation);
    std::array<Payload, 32> all;
    for (int lane = 0; lane < 32; ++lane) std::memcpy(&all[lane], slots[lane].data(), sizeof(Payload));
    return all;
  }

  void poison(void* memory, size_t bytes) {
    if (poisoned_.insert(memory).second) std::memset(memory, 0xff, bytes);
  }

 private:
  static constexpr size_t room = 64;
  static constexpr size_t stack_bytes = 256 * 1024;

  struct Fiber {
    void* context = nullptr;
    std::unique_ptr<char[]> stack;
    bool done = false;
    const int* awaited = nullptr;  // continues when this differs from `before`
    int before = 0;
  };

  struct Warp {
    int arrived = 0;
    int generation = 0;
    std::array<std::array<char, room>, 32> slots[2];
  };

  static void enter() {
    (*current->kernel_)();
    auto& fiber = current->fibers_[at.thread];
    fiber.done = true;
    --current->left_;
    simt_switch(&fiber.context, current->scheduler_);
  }

  void start(int index) {
    auto& fiber = fibers_[index];
    if (!fiber.stack) fiber.stack = std::make_unique<char[]>(stack_bytes);
    fiber.done = false;
    fiber.awaited = nullptr;
    // Six registers, the entry point and no return address. At its entry a function's stack is 8 off a multiple of 16.
    auto* top = reinterpret_cast<void**>(fiber.stack.get() + stack_bytes) - 8;
    std::fill_n(top, 8, nullptr);
    top[6] = reinterpret_cast<void*>(enter);
    fiber.context = top;
  }

  bool resume(int index) {
    auto& fiber = fibers_[index];
    if (fiber.done || (fiber.awaited != nullptr && *fiber.awaited == fiber.before)) return false;
    at.thread = index;
    simt_switch(&scheduler_, fiber.context);
    return true;
  }

  void wait(const int& awaited, int before) {
    if (awaited != before) return;
    auto& fiber = fibers_[at.thread];
    fiber.awaited = &awaited;
    fiber.before = before;
    simt_switch(&fiber.context, scheduler_);
    fiber.awaited = nullptr;
  }

  const std::function<void()>* kernel_ = nullptr;
  void* scheduler_ = nullptr;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  std::set<void*> poisoned_;
  int left_ = 0;
  int waiting_ = 0;
  int generation_ = 0;
};

template <typename Payload>
std::array<Payload, 32> exchange(const Payload& own) {
  return Block::current->exchange(own);
}

}  // namespace simt

#define RD_DEVICE inline
#define RD_KERNEL
#define RD_SHARED(type, name, count)   \
  alignas(16) static type name[count]; \
  simt::Block::current->poison(name, sizeof(name))

namespace rank_distillm::cuda {

template <typename Value>
Value shuffle_xor(Value value, int mask) {
  return simt::exchange(value)[(simt::Block::at.thread % 32) ^ mask];
}
template <typename Value>
Value shuffle(Value value, int lane) {
  return simt::exchange(value)[lane];
}
inline void synchronize_block() { simt::Block::current->synchronize(); }
inline int thread_index() { return simt::Block::at.thread; }
inline int block_threads() { return simt::Block::at.threads; }
inline int block_x() { return simt::Block::at.block_x; }
inline int block_y() { return simt::Block::at.block_y; }
inline int blocks_x() { return simt::Block::at.blocks_x; }

struct Grid {
  int64_t x;
  int y = 1;
};

/// Launches until one runs out of memory; below 0 none does.
inline int launches_until_full = -1;

template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, int threads, void*, Arguments... arguments) {
  if (launches_until_full >= 0 && launches_until_full-- == 0) throw OutOfMemory("a simulated kernel: out of memory");
  static simt::Block block;
  for (int y = 0; y < grid.y; ++y) {
    for (int x = 0; x < grid.x; ++x) {
      simt::Block::at = {0, threads, x, y, static_cast<int>(grid.x)};
      block.run(threads, [&] { kernel(arguments...); });
    }
  }
}

}  // namespace rank_distillm::cuda
