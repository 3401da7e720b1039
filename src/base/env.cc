#include "base/env.h"

#include <atomic>
#include <memory>

#include "base/env_snapshot.h"
#include "base/env_value.h"
#include "base/error.h"
#include "base/log.h"
#include "base/struct_size.h"

extern char** environ;

namespace fl::env {
namespace {

// The snapshot in force, and all that were ever in force: their texts were handed out for the life of the process.
// Racing first readers each make one and all but the first throw theirs away, so that there is no lock that a forked
// child could inherit in a locked state.
struct Kept {
  Snapshot snapshot;
  const Kept* next;
};
std::atomic<const Snapshot*> g_current{nullptr};
std::atomic<const Kept*> g_kept{nullptr};

Settings process_environment() {
  Settings settings;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const size_t equals = line.find('=');
    if (equals != std::string_view::npos) settings.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return settings;
}

// Puts a reading of `settings` in force where `expected` still is, and warns of what it does not know.
const Snapshot* publish(const Settings& settings, const Snapshot* expected) {
  auto kept = std::make_unique<Kept>(Kept{Snapshot(settings), nullptr});
  if (!g_current.compare_exchange_strong(expected, &kept->snapshot, std::memory_order_acq_rel)) return expected;
  kept->next = g_kept.load(std::memory_order_relaxed);
  while (!g_kept.compare_exchange_weak(kept->next, kept.get(), std::memory_order_release)) {
  }
  const Snapshot& snapshot = kept.release()->snapshot;
  for (const std::string& text : snapshot.unknown()) log(FL_LOG_WARNING, "%s", text.c_str());
  return &snapshot;
}

const Snapshot& current() {
  const Snapshot* seen = g_current.load(std::memory_order_acquire);
  return seen != nullptr ? *seen : *publish(process_environment(), nullptr);
}

// The text and the variable, checked; the text is nullptr when there is neither a value nor a default.
struct Found {
  const Variable& variable;
  const char* text;
};

Found find(std::string_view name, Type type) {
  const Snapshot& snapshot = current();
  const Variable& variable = declared(name);
  if (variable.type != type) {
    fail(FL_INTERNAL, "%s is declared as %s and was read as %s; mend the reader or env_table.cc.", variable.name,
         type_name(variable.type), type_name(type));
  }
  return {variable, snapshot.value(name)};
}

}  // namespace

const char* text(std::string_view name) { return current().value(name); }

bool flag(std::string_view name) {
  const Found found = find(name, Type::kFlag);
  return found.text != nullptr && parse_flag(found.variable, found.text);
}

int64_t integer(std::string_view name) {
  const Found found = find(name, Type::kInt);
  return found.text == nullptr ? 0 : parse_integer(found.variable, found.text);
}

uint64_t bytes(std::string_view name) {
  const Found found = find(name, Type::kBytes);
  return found.text == nullptr ? 0 : parse_bytes(found.variable, found.text);
}

std::vector<std::string> list(std::string_view name) {
  const Found found = find(name, Type::kList);
  return found.text == nullptr ? std::vector<std::string>() : parse_list(found.variable, found.text);
}

Settings family(std::string_view name) { return current().family(name); }

void read_again() { publish(process_environment(), g_current.load(std::memory_order_acquire)); }

Scoped::Scoped(std::initializer_list<std::pair<std::string, std::string>> variables)
    : outer_(g_current.load(std::memory_order_acquire)) {
  publish(variables, static_cast<const Snapshot*>(outer_));
}

Scoped::~Scoped() { g_current.store(static_cast<const Snapshot*>(outer_), std::memory_order_release); }

}  // namespace fl::env

extern "C" {

int32_t fl_env_count(void) { return static_cast<int32_t>(fl::env::table().size()); }

fl_status fl_env_at(int32_t index, fl_env_info* info) {
  return fl::guarded([&] {
    const auto table = fl::env::table();
    if (index < 0 || static_cast<size_t>(index) >= table.size()) {
      fl::fail(FL_INVALID_ARGUMENT, "There is no environment variable number %d; ask for 0 to %zu.", index,
               table.size() - 1);
    }
    const fl::env::Variable& variable = table[static_cast<size_t>(index)];
    const fl_env_info all{sizeof(fl_env_info), variable.name, fl::env::type_name(variable.type),    variable.values,
                          variable.initial,    variable.help, fl::env::current().raw(variable.name)};
    fl::fill_struct(info, all);
  });
}

fl_status fl_env_get(const char* name, const char** value) {
  return fl::guarded([&] { *value = fl::env::text(name); });
}

}  // extern "C"
