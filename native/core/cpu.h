#pragma once

#include <string>
#include <vector>

namespace rank_distillm {

/// Flags of this CPU that choose a code path, in the names of /proc/cpuinfo; RANK_DISTILLM_CPU_FEATURES can take some
/// away.
const std::vector<std::string>& cpu_features();

/// True when bf16 products run on instructions made for them (AMX or AVX512_BF16); else float32 is faster and exact.
bool cpu_has_bf16();

/// Physical cores this process may use: its affinity, hyper-threads counted once, and the cgroup's CPU quota.
int default_threads();

}  // namespace rank_distillm
