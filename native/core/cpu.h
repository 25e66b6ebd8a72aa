#pragma once

#include <string>
#include <vector>

namespace rank_distillm {

/// Flags of this CPU that choose a code path, in the names of /proc/cpuinfo; RANK_DISTILLM_CPU_FEATURES can take some
/// away.
const std::vector<std::string>& cpu_features();

/// True when bf16 products run on instructions made for them (AMX or AVX512_BF16); else float32 is faster and exact.
bool cpu_has_bf16();

/// RANK_DISTILLM_EMULATE_BF16=1: training computes in bf16 where the CPU has no instructions for it. Slow; it lets
/// every machine test what is rounded where.
bool cpu_emulates_bf16();

/// Physical cores this process may use: its affinity, hyper-threads counted once, and the cgroup's CPU quota.
int default_threads();

}  // namespace rank_distillm
