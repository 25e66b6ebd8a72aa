// Chooses the instruction-set level at run time.

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <initializer_list>

#include "core/cpu.h"
#include "kernels/kernels.h"

namespace rank_distillm {

// Weak, so that a test can leave out levels that its machine cannot run.
#define RD_LEVEL(name)                                 \
  namespace name {                                     \
  [[gnu::weak]] extern const Kernels table;            \
  [[gnu::weak]] extern const Kernels table_of_vectors; \
  }
#if defined(__aarch64__)
RD_LEVEL(neon)
RD_LEVEL(neon_dotprod)
RD_LEVEL(neon_bf16)
#else
RD_LEVEL(generic)
RD_LEVEL(avx2)
RD_LEVEL(avx512)
RD_LEVEL(avx512_vnni)
RD_LEVEL(avx512_bf16)
RD_LEVEL(amx)
#endif
#undef RD_LEVEL

namespace {

bool has(std::initializer_list<const char*> names) {
  const auto& features = cpu_features();
  return std::all_of(names.begin(), names.end(), [&features](const char* name) {
    return std::find(features.begin(), features.end(), name) != features.end();
  });
}

#if defined(__x86_64__)
/// Linux lets a process use the tile registers only on request.
bool may_use_tiles() {
  constexpr int64_t request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}
#endif

}  // namespace

int kernel_levels(const Kernels** levels, int most) {
  int count = 0;
  const auto add = [&](const Kernels* level) {
    if (level != nullptr && count < most) levels[count++] = level;
    return true;
  };
  // No CPU has a level without the levels before it.
#if defined(__aarch64__)
  add(&neon::table);
  has({"asimddp"}) && add(&neon_dotprod::table) &&  //
      has({"bf16"}) && add(&neon_bf16::table);
#else
  add(&generic::table);
  has({"avx2"}) && add(&avx2::table) &&                                               //
      has({"avx512f", "avx512bw", "avx512dq", "avx512vl"}) && add(&avx512::table) &&  //
      has({"avx512_vnni"}) && add(&avx512_vnni::table) &&                             //
      has({"avx512_bf16"}) && add(&avx512_bf16::table) &&                             //
      has({"amx_tile", "amx_bf16", "amx_int8"}) && may_use_tiles() &&                 //
      add(&amx::table_of_vectors) && add(&amx::table);
#endif
  return count;
}

const Kernels& kernels() {
  static const Kernels& best = []() -> const Kernels& {
    const Kernels* levels[8];
    return *levels[kernel_levels(levels, 8) - 1];
  }();
  return best;
}

const Kernels& kernels_without_tiles() {
#if defined(__x86_64__)
  if (&kernels() == &amx::table) return amx::table_of_vectors;
#endif
  return kernels();
}

}  // namespace rank_distillm
