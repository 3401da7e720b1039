// Rows and frames: two clock readings and a few relaxed additions a counted call.
#include "routing/ledger.h"

namespace fl::routing {
namespace {

thread_local LedgerFrame* t_innermost = nullptr;

}  // namespace

LedgerRow* Ledger::row(const std::string& op, const std::string& driver, const std::string& target) {
  const std::lock_guard lock(mutex_);
  LedgerRow*& row = index_[{op, driver, target}];
  if (row == nullptr) {
    row = &rows_.emplace_back();
    row->op = op;
    row->driver = driver;
    row->target = target;
  }
  return row;
}

void Ledger::report(JsonWriter& json) const {
  const std::lock_guard lock(mutex_);
  json.begin_array();
  for (const auto& [name, row] : index_) {
    const uint64_t calls = row->calls.load(std::memory_order_relaxed);
    const uint64_t declined = row->declined.load(std::memory_order_relaxed);
    const uint64_t raised = row->raised.load(std::memory_order_relaxed);
    if (calls + declined + raised == 0) continue;
    json.begin_object()
        .member("operator", row->op)
        .member("driver", row->driver)
        .member("target", row->target)
        .member("calls", calls)
        .member("declined", declined)
        .member("raised", raised)
        .member("inclusive_ns", row->inclusive_ns.load(std::memory_order_relaxed))
        .member("exclusive_ns", row->exclusive_ns.load(std::memory_order_relaxed))
        .member("copied_bytes", row->copied_bytes.load(std::memory_order_relaxed))
        .member("device_ns", row->device_ns.load(std::memory_order_relaxed))
        .end_object();
  }
  json.end_array();
}

void Ledger::clear() {
  const std::lock_guard lock(mutex_);
  for (LedgerRow& row : rows_) {
    for (auto* count :
         {&row.calls, &row.declined, &row.raised, &row.inclusive_ns, &row.exclusive_ns, &row.copied_bytes}) {
      count->store(0, std::memory_order_relaxed);
    }
    row.device_ns.store(0, std::memory_order_relaxed);
  }
}

LedgerFrame::LedgerFrame(LedgerRow* row) : row_(row), parent_(t_innermost) {
  for (const LedgerFrame* outer = parent_; outer != nullptr; outer = outer->parent_) {
    if (outer->row_ == row) outermost_ = false;
  }
  t_innermost = this;
  start_ = std::chrono::steady_clock::now();
}

LedgerFrame::~LedgerFrame() {
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  const auto ns = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
  if (outermost_) row_->inclusive_ns.fetch_add(ns, std::memory_order_relaxed);
  row_->exclusive_ns.fetch_add(ns - inner_ns_, std::memory_order_relaxed);
  if (!has_outcome_) row_->raised.fetch_add(1, std::memory_order_relaxed);
  if (parent_ != nullptr) parent_->inner_ns_ += ns;
  t_innermost = parent_;
}

LedgerRow* LedgerFrame::current() { return t_innermost == nullptr ? nullptr : t_innermost->row_; }

}  // namespace fl::routing
