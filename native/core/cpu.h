#pragma once

#include <string>
#include <vector>

namespace rank_distillm {

/// Flags of this CPU that choose a code path, named as in /proc/cpuinfo. RANK_DISTILLM_CPU_FEATURES can remove some.
const std::vector<std::string>& cpu_features();

/// True where the CPU has instructions for bf16 products (AVX512_BF16, AMX, BFDOT); elsewhere float32 is faster and
/// more exact. RANK_DISTILLM_EMULATE_BF16=1 makes it true on every CPU: slow, but every machine can test the roundings.
bool cpu_has_bf16();

/// True where the CPU has instructions for int8 products (AVX512_VNNI, SDOT); elsewhere int16 is faster and more exact.
/// RANK_DISTILLM_EMULATE_INT8=1 makes it true on every CPU.
bool cpu_has_int8();

/// Physical cores that this process may use by its affinity (hyper-threads counted once) and its cgroup's CPU quota.
int default_threads();

}  // namespace rank_distillm
