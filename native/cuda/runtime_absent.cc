#include "core/error.h"
#include "cuda/runtime.h"

namespace rank_distillm::cuda {
namespace {

[[noreturn]] void absent() { throw Error("unsupported", "this build of the engine has no CUDA"); }

}  // namespace

int gpu_count() { return 0; }
Gpu gpu(int) { absent(); }
int64_t free_bytes(int) { absent(); }
void limit_memory(int, double) { absent(); }
void empty_cache() {}
void synchronize(int) {}
void* current_stream(int) { absent(); }

Stopwatch::Stopwatch() { absent(); }
void Stopwatch::start() {}
void Stopwatch::stop() {}
double Stopwatch::seconds() const { return 0; }

}  // namespace rank_distillm::cuda
