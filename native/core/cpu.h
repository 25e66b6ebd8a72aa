#pragma once

#include <string>
#include <vector>

namespace rank_distillm {

/// Flags of this CPU that choose a code path, in the names of /proc/cpuinfo; RANK_DISTILLM_CPU_FEATURES can take some
/// away.
const std::vector<std::string>& cpu_features();

/// True when bf16 products run on instructions made for them (AVX512_BF16, AMX); else float32 is faster and exact.
/// RANK_DISTILLM_EMULATE_BF16=1 says so of every CPU: slow, but it lets each machine test what is rounded where.
bool cpu_has_bf16();

/// True when products of bytes run on instructions made for them (AVX512_VNNI); else int16 is faster and finer.
/// RANK_DISTILLM_EMULATE_INT8=1 as above.
bool cpu_has_int8();

/// Physical cores this process may use: its affinity, hyper-threads counted once, and the cgroup's CPU quota.
int default_threads();

}  // namespace rank_distillm
