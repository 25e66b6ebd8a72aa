#include "torch/communicator.h"

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <arpa/inet.h>
#include <c10/core/DeviceGuard.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>

#include "core/error.h"
#include "cuda/runtime.h"
#include "torch/nccl.h"

namespace rank_distillm {
namespace {

using std::chrono::milliseconds;

/// Collectives wait for ranks that are alive, however long they write a checkpoint; beats tell which are.
constexpr std::chrono::hours collective_timeout{24 * 7};
/// As torch's DistributedDataParallel. Buckets are under way together, and gloo's threads take turns on them.
constexpr int64_t bucket_bytes = 25 << 20;
/// Beats that a rank may miss once a collective has failed.
constexpr int beats_missed = 5;
constexpr double seconds_to_tell = 3;

constexpr const char* failed_key = "failed";

std::string rank_key(const char* kind, int rank) { return std::string(kind) + "/" + std::to_string(rank); }

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

milliseconds in_milliseconds(double seconds) { return milliseconds(static_cast<int64_t>(seconds * 1000)); }

/// LibTorch's errors carry a backtrace.
std::string message_of(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return torch == nullptr ? error.what() : torch->what_without_backtrace();
}

/// This host's address on the way to another one, "" if there is none. No packet is sent.
std::string address_towards(const std::string& host, uint16_t port) {
  addrinfo hints = {}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return "";
  std::string result;
  for (auto* each = found; each != nullptr && result.empty(); each = each->ai_next) {
    const int file = socket(each->ai_family, SOCK_DGRAM, 0);
    if (file < 0) continue;
    sockaddr_storage own = {};
    socklen_t length = sizeof own;
    char text[NI_MAXHOST];
    if (connect(file, each->ai_addr, each->ai_addrlen) == 0 &&
        getsockname(file, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
      result = text;
    }
    ::close(file);
  }
  freeaddrinfo(found);
  return result;
}

at::Tensor tensor_of(void* data, int64_t count, at::ScalarType type) {
  return at::from_blob(data, {count}, at::TensorOptions().dtype(type));
}

}  // namespace

Communicator::Communicator(CommunicatorOptions options) : options_(std::move(options)) {}

Communicator::~Communicator() {
  leave();
  if (watcher_.joinable()) watcher_.join();
}

std::chrono::duration<double> Communicator::interval() const {
  return std::chrono::duration<double>(std::clamp(options_.timeout_seconds / 20, 0.05, 1.0));
}

c10::intrusive_ptr<c10d::Store> Communicator::open_store(bool serves, double seconds) const {
  c10d::TCPStoreOptions options;
  options.port = options_.port;
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = in_milliseconds(seconds);
  const auto place = options_.host + ":" + std::to_string(options_.port);
  try {
    return c10::make_intrusive<c10d::PrefixStore>(options_.prefix,
                                                  c10::make_intrusive<c10d::TCPStore>(options_.host, options));
  } catch (const std::exception& error) {
    if (serves) throw bad_input("rank 0 cannot listen on " + place + ": " + message_of(error));
    throw bad_input("rank 0 did not answer at " + place + ": " + message_of(error));
  }
}

void Communicator::connect() {
  store_ = open_store(options_.serves, options_.join_seconds);
  try {
    meet();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    found(lost_store(error));
    throw;
  }
  watcher_ = std::thread([this] { watch(); });
  auto own = options_.interface.empty() ? address_towards(options_.host, options_.port) : "";
  const auto gloo = c10d::ProcessGroupGloo::Options::create(collective_timeout);
  gloo->devices.push_back(!options_.interface.empty()
                              ? c10d::ProcessGroupGloo::createDeviceForInterface(options_.interface)
                          : own.empty() ? c10d::ProcessGroupGloo::createDefaultDevice()
                                        : c10d::ProcessGroupGloo::createDeviceForHostname(own));
  group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store_),
                                                       options_.rank, options_.ranks, gloo);
}

c10d::Backend& Communicator::group_of(int device) {
  if (device < 0) return *group_;
  // not before: it throws where there is no GPU, and ranks may compute on CPUs beside a LibTorch with CUDA
  if (!gpu_group_) {
    gpu_group_ = make_nccl(c10::make_intrusive<c10d::PrefixStore>("nccl", store_), options_.rank, options_.ranks,
                           collective_timeout);
  }
  // gloo copies what is on a GPU to the host and back
  return gpu_group_ ? *gpu_group_ : *group_;
}

/// Waits until every rank is there, once.
void Communicator::meet() {
  const auto& [rank, ranks, label] = std::tie(options_.rank, options_.ranks, options_.label);
  const auto count = text_of(store_->compareSet("ranks", {}, bytes_of(std::to_string(ranks))));
  if (count != std::to_string(ranks)) {
    throw bad_input(label + " was started as one of " + std::to_string(ranks) + " ranks, another one as one of " +
                    count);
  }
  if (store_->add(rank_key("taken", rank), 1) != 1) throw bad_input(label + ": another process has this rank");
  store_->compareSet(failed_key, {}, bytes_of(" "));
  store_->add(rank_key("beat", rank), 1);
  store_->set(rank_key("label", rank), bytes_of(label));
  std::vector<std::string> keys;
  keys.reserve(ranks);
  for (int i = 0; i < ranks; ++i) keys.push_back(rank_key("label", i));
  try {
    store_->wait(keys, in_milliseconds(options_.join_seconds));
  } catch (const std::exception&) {
    std::string missing;
    for (int i = 0; i < ranks; ++i) {
      if (!store_->check({keys[i]})) missing += (missing.empty() ? "" : ", ") + std::to_string(i);
    }
    throw bad_input("of " + std::to_string(ranks) + " ranks these did not come within " +
                    std::to_string(static_cast<int64_t>(options_.join_seconds)) + " s: " + missing);
  }
  {
    const std::lock_guard lock(mutex_);
    reached_ = Clock::now();
    met_ = true;
  }
  std::vector<std::string> labels;
  for (const auto& bytes : store_->multiGet(keys)) labels.push_back(text_of(bytes));
  const std::lock_guard lock(mutex_);
  labels_ = std::move(labels);
}

void Communicator::begin_sum(float* values, int64_t count, int device) {
  constexpr int64_t together = bucket_bytes / sizeof(float);
  const auto place = device < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device));
  try {
    if (sum_error_) return;
    sum_device_ = device;
    const c10::OptionalDeviceGuard guard(device < 0 ? std::nullopt : std::optional(place));
    for (int64_t first = 0; first < count; first += together) {
      const auto part = std::min(together, count - first);
      std::vector<at::Tensor> bucket = {at::from_blob(values + first, {part}, at::TensorOptions().device(place))};
      sums_.push_back(group_of(device).allreduce(bucket));
    }
  } catch (...) {
    sum_error_ = std::current_exception();
  }
}

void Communicator::finish_sums() {
  if (sum_error_) std::rethrow_exception(sum_error_);
  const auto device = static_cast<at::DeviceIndex>(sum_device_);
  const c10::OptionalDeviceGuard guard(device < 0 ? std::nullopt : std::optional(at::Device(at::kCUDA, device)));
  for (const auto& work : std::exchange(sums_, {})) work->wait();
  // On a GPU that made its stream wait.
  if (device >= 0) cuda::synchronize(device);
}

std::vector<Bytes> Communicator::all_gather(const Bytes& bytes) {
  const int64_t ranks = options_.ranks;
  const auto gather = [&](const at::Tensor& own) {
    std::vector<at::Tensor> input = {own};
    std::vector<std::vector<at::Tensor>> output(1);
    for (int64_t i = 0; i < ranks; ++i) output[0].push_back(at::empty(own.sizes(), own.options()));
    group_->allgather(output, input)->wait();
    return output[0];
  };
  auto length = static_cast<int64_t>(bytes.size());
  std::vector<int64_t> lengths;
  for (const auto& each : gather(tensor_of(&length, 1, at::kLong))) lengths.push_back(*each.const_data_ptr<int64_t>());
  const auto longest = *std::max_element(lengths.begin(), lengths.end());
  std::vector<Bytes> result(ranks);
  if (longest == 0) return result;
  auto padded = bytes;
  padded.resize(longest);
  const auto all = gather(tensor_of(padded.data(), longest, at::kByte));
  for (int64_t i = 0; i < ranks; ++i) {
    const auto* first = all[i].const_data_ptr<uint8_t>();
    result[i].assign(first, first + lengths[i]);
  }
  return result;
}

int64_t Communicator::add(const std::string& key, int64_t number) { return store_->add("own/" + key, number); }

void Communicator::set(const std::string& key, const Bytes& value) { store_->set("own/" + key, value); }

std::optional<Bytes> Communicator::take(const std::string& key) {
  const auto own = "own/" + key;
  if (!store_->check({own})) return std::nullopt;
  auto value = store_->get(own);
  store_->deleteKey(own);
  return value;
}

void Communicator::found(Fault fault) {
  const std::lock_guard lock(mutex_);
  if (!fault_ && !leaving_) fault_ = std::move(fault);
}

void Communicator::watch() {
  try {
    const auto store = open_store(false, options_.timeout_seconds);
    std::vector<Bytes> beats(options_.ranks);
    std::vector<Clock::time_point> beaten(options_.ranks, Clock::now());
    std::unique_lock lock(mutex_);
    while (!leaving_ && !fault_) {
      lock.unlock();
      look(*store, beats, beaten);
      lock.lock();
      changed_.wait_for(lock, interval(), [this] { return leaving_; });
    }
  } catch (const std::exception& error) {
    found(lost_store(error));
  }
}

/// With torchrun's store it is torchrun that ended.
Fault Communicator::lost_store(const std::exception& error) const {
  return {-1, "the store at " + options_.host + ":" + std::to_string(options_.port) + " is gone, which " +
                  (labels_.empty() ? "rank 0" : labels_[0]) + " or its launcher held: " + message_of(error)};
}

/// Beats once and looks at the others' beats.
void Communicator::look(c10d::Store& store, std::vector<Bytes>& beats, std::vector<Clock::time_point>& beaten) {
  const int ranks = options_.ranks;
  std::vector<std::string> keys = {failed_key};
  for (int i = 0; i < ranks; ++i) keys.push_back(rank_key("beat", i));
  store.add(keys[options_.rank + 1], 1);
  auto values = store.multiGet(keys);
  const auto now = Clock::now();
  const std::chrono::duration<double> timeout(options_.timeout_seconds);
  {
    const std::lock_guard lock(mutex_);
    // This process was stopped: it knows nothing of the others' beats meanwhile.
    if (now - reached_ > timeout / 2) std::fill(beaten.begin(), beaten.end(), now);
    reached_ = now;
  }
  const auto tell = [&](const std::string& text) {
    const auto end = text.find('\n');
    const int rank = std::stoi(text);
    if (rank == options_.rank) return;
    store.add("told", 1);
    // The store ends with this process, and the others would take that for the fault.
    if (options_.serves) wait_until_told(store);
    found({rank, text.substr(end + 1)});
  };
  if (values[0].size() > 1) return tell(text_of(values[0]));
  const auto patience = suspicious_ ? std::min(timeout, beats_missed * interval()) : timeout;
  for (int i = 0; i < ranks; ++i) {
    if (beats[i] != values[i + 1]) {
      beats[i] = std::move(values[i + 1]);
      beaten[i] = now;
    } else if (i != options_.rank && now - beaten[i] > patience) {
      const auto text = std::to_string(i) + "\n" + labels_[i] + " ended or does not answer any more";
      // All name the rank that the first of them found.
      return tell(text_of(store.compareSet(failed_key, bytes_of(" "), bytes_of(text))));
    }
  }
}

std::optional<Fault> Communicator::fault() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const std::chrono::duration<double> timeout(options_.timeout_seconds);
  if (now - asked_ > timeout / 2) reached_ = now;  // this process was stopped
  asked_ = now;
  // A broken network gives no error before TCP gives up, which takes a quarter of an hour.
  if (!fault_ && !leaving_ && met_ && now - reached_ > timeout) {
    fault_ = {-1, "the store at " + options_.host + ":" + std::to_string(options_.port) + ", held by " +
                      (labels_.empty() ? "rank 0" : labels_[0]) + " or its launcher, does not answer any more"};
  }
  return fault_;
}

void Communicator::fail(const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    if (leaving_ || fault_ || !met_) return;
    leaving_ = true;
  }
  changed_.notify_all();
  try {
    const auto store = open_store(false, seconds_to_tell);
    const auto text = std::to_string(options_.rank) + "\n" + options_.label + " failed: " + message;
    store->compareSet(failed_key, bytes_of(" "), bytes_of(text));
    wait_until_told(*store);
  } catch (const std::exception&) {
    return;  // the store is gone, so the others know
  }
}

/// Until all ranks but one know of a failure, for a few seconds; `fault` takes longer silence for the store's end.
void Communicator::wait_until_told(c10d::Store& store) const {
  const std::chrono::duration<double> most(std::min(seconds_to_tell, options_.timeout_seconds / 2));
  const auto start = Clock::now();
  while (store.add("told", 0) < options_.ranks - 1 && Clock::now() - start < most) {
    std::this_thread::sleep_for(milliseconds(20));
  }
}

void Communicator::leave() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
}

}  // namespace rank_distillm
