// The ledger: calls, times and bytes for each (operator, driver, target), counted while FL_TRACE_COUNT is on.
//
// A frame stands for one call that runs on this thread; frames nest as calls do. Inclusive time counts a row once where
// it calls itself; exclusive time leaves out the counted calls inside, so that exclusive times add up to the whole.
#ifndef FLAGOS_ROUTING_LEDGER_H_
#define FLAGOS_ROUTING_LEDGER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "base/json.h"
#include "flagos/routing.h"

namespace fl::routing {

// Written by any thread, relaxed: the numbers are read one by one, each is right, no two need to be of one instant.
struct LedgerRow {
  std::string op;
  std::string driver;
  std::string target;
  std::atomic<uint64_t> calls{0};     // that the target served
  std::atomic<uint64_t> declined{0};  // that it handed on
  std::atomic<uint64_t> raised{0};    // that ended in an exception
  std::atomic<uint64_t> inclusive_ns{0};
  std::atomic<uint64_t> exclusive_ns{0};
  std::atomic<uint64_t> copied_bytes{0};
  std::atomic<double> device_ns{0};
};

class Ledger {
 public:
  // The row's address is stable for the life of the ledger. Any thread.
  LedgerRow* row(const std::string& op, const std::string& driver, const std::string& target);
  void report(JsonWriter& json) const;  // an array of the rows that have counted something
  void clear();

 private:
  mutable std::mutex mutex_;
  std::deque<LedgerRow> rows_;
  std::map<std::tuple<std::string, std::string, std::string>, LedgerRow*> index_;
};

class LedgerFrame {
 public:
  explicit LedgerFrame(LedgerRow* row);
  ~LedgerFrame();  // without an outcome the call counts as raised
  LedgerFrame(const LedgerFrame&) = delete;
  LedgerFrame& operator=(const LedgerFrame&) = delete;

  fl_outcome ended(fl_outcome outcome) {
    (outcome == FL_ROUTE_DONE ? row_->calls : row_->declined).fetch_add(1, std::memory_order_relaxed);
    has_outcome_ = true;
    return outcome;
  }

  // The row of the innermost frame of this thread, nullptr outside of any.
  static LedgerRow* current();

 private:
  LedgerRow* row_;
  LedgerFrame* parent_;
  bool outermost_ = true;  // no frame outside of this one has the same row
  bool has_outcome_ = false;
  uint64_t inner_ns_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_LEDGER_H_
