#include "core/cpu.h"

#include <sched.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace rank_distillm {
namespace {

#if defined(__aarch64__)
std::vector<std::string> read_features() {
  std::vector<std::string> found;
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) found.emplace_back("asimddp");
  if ((getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0) found.emplace_back("bf16");
  return found;
}
#else
std::vector<std::string> read_features() {
  static const std::set<std::string> known = {"avx2",        "avx512f",     "avx512bw", "avx512dq", "avx512vl",
                                              "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"};
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line);
    std::vector<std::string> found;
    bool fma = false;
    for (std::string word; words >> word;) {
      fma = fma || word == "fma";
      if (known.count(word) != 0) found.push_back(word);
    }
    // All levels from AVX2 on use FMA; the few AVX2 CPUs without it use the generic level.
    return fma ? found : std::vector<std::string>{};
  }
  return {};
}
#endif

/// RANK_DISTILLM_CPU_FEATURES, a comma-separated list, keeps only the features it names: code paths of older CPUs can
/// be tested on this one.
std::vector<std::string> allowed_features(std::vector<std::string> features) {
  const char* setting = std::getenv("RANK_DISTILLM_CPU_FEATURES");
  if (setting == nullptr) return features;
  std::set<std::string> allowed;
  std::istringstream names(setting);
  for (std::string name; std::getline(names, name, ',');) allowed.insert(name);
  features.erase(std::remove_if(features.begin(), features.end(),
                                [&allowed](const std::string& name) { return allowed.count(name) == 0; }),
                 features.end());
  return features;
}

int physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return 1;
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = std::to_string(cpu);
    cores.insert(siblings);
  }
  return std::max<int>(1, static_cast<int>(cores.size()));
}

/// The cgroup's quota in CPUs (v2, then v1), or infinity.
double cgroup_share() {
  std::string quota;
  double period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> quota >> period && quota != "max" && period > 0) {
    return std::stod(quota) / period;
  }
  double microseconds = 0;
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1_quota >> microseconds && v1_period >> period && microseconds > 0 && period > 0) return microseconds / period;
  return INFINITY;
}

bool has_or_emulates(std::initializer_list<const char*> any_of, const char* switch_name) {
  const char* setting = std::getenv(switch_name);
  if (setting != nullptr && std::string(setting) == "1") return true;
  const auto& features = cpu_features();
  return std::find_first_of(features.begin(), features.end(), any_of.begin(), any_of.end()) != features.end();
}

}  // namespace

const std::vector<std::string>& cpu_features() {
  static const auto* features = new std::vector<std::string>(allowed_features(read_features()));
  return *features;
}

bool cpu_has_bf16() { return has_or_emulates({"avx512_bf16", "bf16"}, "RANK_DISTILLM_EMULATE_BF16"); }

bool cpu_has_int8() { return has_or_emulates({"avx512_vnni", "asimddp"}, "RANK_DISTILLM_EMULATE_INT8"); }

int default_threads() {
  const double share = std::min<double>(physical_cores(), cgroup_share());
  return std::max(1, static_cast<int>(std::ceil(share)));
}

}  // namespace rank_distillm
