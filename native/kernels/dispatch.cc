// Chooses the instruction-set level at run time.

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>

#include "core/cpu.h"
#include "kernels/kernels.h"

namespace rank_distillm {

// Weak, so that a test can leave out levels that its machine cannot run.
#define RD_LEVEL(name)                      \
  namespace name {                          \
  [[gnu::weak]] extern const Kernels table; \
  }
RD_LEVEL(generic)
RD_LEVEL(avx2)
RD_LEVEL(avx512)
RD_LEVEL(avx512_vnni)
RD_LEVEL(avx512_bf16)
RD_LEVEL(amx)
#undef RD_LEVEL

namespace {

bool has(std::initializer_list<const char*> names) {
  const auto& features = cpu_features();
  return std::all_of(names.begin(), names.end(), [&features](const char* name) {
    return std::find(features.begin(), features.end(), name) != features.end();
  });
}

/// Linux lets a process use the tile registers only on request.
bool may_use_tiles() {
  constexpr int64_t request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

}  // namespace

int kernel_levels(const Kernels** levels, int most) {
  int count = 0;
  const auto add = [&](const Kernels* level) {
    if (level != nullptr && count < most) levels[count++] = level;
    return true;
  };
  add(&generic::table);
  // No CPU has a level without the levels before it.
  has({"avx2"}) && add(&avx2::table) &&                                               //
      has({"avx512f", "avx512bw", "avx512dq", "avx512vl"}) && add(&avx512::table) &&  //
      has({"avx512_vnni"}) && add(&avx512_vnni::table) &&                             //
      has({"avx512_bf16"}) && add(&avx512_bf16::table) &&                             //
      has({"amx_tile", "amx_bf16", "amx_int8"}) && may_use_tiles() && add(&amx::table);
  return count;
}

const Kernels& kernels() {
  static const Kernels& best = []() -> const Kernels& {
    const Kernels* levels[8];
    return *levels[kernel_levels(levels, 8) - 1];
  }();
  return best;
}

}  // namespace rank_distillm
