#pragma once

#include <c10/util/intrusive_ptr.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace c10d {
class Backend;
class Store;
class Work;
}  // namespace c10d

namespace rank_distillm {

using Bytes = std::vector<uint8_t>;

/// binding.d.ts `CommunicatorOptions`.
struct CommunicatorOptions {
  std::string host;
  uint16_t port = 0;
  bool serves = false;
  int rank = 0;
  int ranks = 1;
  std::string prefix;
  std::string interface;
  std::string label;
  double join_seconds = 0;
  double timeout_seconds = 0;
};

/// A rank that no longer takes part; -1 where it is the store that is gone.
struct Fault {
  int rank = -1;
  std::string message;
};

/// A process's place among the ranks of a run: c10d's TCPStore and its process group of gloo. Each rank must make the
/// same calls in the same order, one at a time; `fault`, `suspect` and `fail` may be called meanwhile.
///
/// A thread with its own connection counts up this rank's beat in the store and reads those of the others. It goes on
/// while the process waits for a collective, and stops when the process is stopped or ends.
class Communicator {
 public:
  explicit Communicator(CommunicatorOptions options);
  /// Blocks until unfinished collectives have ended; do not destroy one after a fault.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// Waits for all ranks and connects them. Throws `bad_input` if ranks are missing or contradict each other.
  void connect();
  /// Begins to sum in place; `device` is the number of a GPU, or -1. What fails is thrown by `finish_sums`.
  void begin_sum(float* values, int64_t count, int device);
  /// Waits for the sums that were begun. Throws whatever LibTorch throws when a connection breaks.
  void finish_sums();
  /// The bytes of all ranks by rank; they may differ in length.
  std::vector<Bytes> all_gather(const Bytes& bytes);

  /// Adds to a counter in the store and returns the sum.
  int64_t add(const std::string& key, int64_t number);
  void set(const std::string& key, const Bytes& value);
  /// Reads and removes a value; nothing if there is none.
  std::optional<Bytes> take(const std::string& key);

  /// The first fault that was found.
  std::optional<Fault> fault();
  /// A collective has failed: a rank is given up after fewer missing beats.
  void suspect() { suspicious_ = true; }
  /// Tells the others, once all have met, that this rank ends, and why. Waits until they know, for a few seconds.
  void fail(const std::string& message);
  /// No fault is looked for from now on. The others may end.
  void leave();

 private:
  using Clock = std::chrono::steady_clock;

  c10::intrusive_ptr<c10d::Store> open_store(bool serves, double seconds) const;
  void meet();
  c10d::Backend& group_of(int device);
  void watch();
  void look(c10d::Store& store, std::vector<Bytes>& beats, std::vector<Clock::time_point>& beaten);
  void found(Fault fault);
  Fault lost_store(const std::exception& error) const;
  void wait_until_told(c10d::Store& store) const;
  std::chrono::duration<double> interval() const;

  const CommunicatorOptions options_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::Backend> group_;
  c10::intrusive_ptr<c10d::Backend> gpu_group_;  // null without NCCL, and before the first sum on a GPU
  std::vector<c10::intrusive_ptr<c10d::Work>> sums_;
  int sum_device_ = -1;
  std::exception_ptr sum_error_;
  std::vector<std::string> labels_;

  std::thread watcher_;
  std::atomic<bool> suspicious_ = false;
  std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  bool met_ = false;  // all ranks were there, so that silence of the store is a fault
  bool leaving_ = false;
  std::optional<Fault> fault_;
  Clock::time_point reached_ = Clock::now();  // when the store last answered
  Clock::time_point asked_ = Clock::now();    // when `fault` was last called
};

}  // namespace rank_distillm
