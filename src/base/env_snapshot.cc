#include "base/env_snapshot.h"

#include "base/env_value.h"
#include "base/error.h"
#include "base/text.h"

namespace fl::env {
namespace {

bool is_family(const Variable& variable) { return std::string_view(variable.name).ends_with('*'); }

std::string_view prefix(const Variable& variable) {
  std::string_view name(variable.name);
  return name.substr(0, name.size() - 1);
}

bool covers(const Variable& variable, std::string_view name) {
  if (name == variable.name) return true;
  return is_family(variable) && name.size() > prefix(variable).size() && name.starts_with(prefix(variable));
}

const Variable* lookup(std::string_view name) {
  for (const Variable& variable : table()) {
    if (covers(variable, name)) return &variable;
  }
  return nullptr;
}

// The part of our names that differs is compared alone: what all of them share would make any two look alike.
std::string suggestion(std::string_view name) {
  constexpr std::string_view kShared = "FLAGOS_";
  const bool ours = name.starts_with(kShared);
  std::vector<std::string_view> candidates;
  for (const Variable& variable : table()) {
    std::string_view candidate(variable.name);
    if (candidate.starts_with(kShared) == ours)
      candidates.push_back(ours ? candidate.substr(kShared.size()) : candidate);
  }
  const std::string best = closest(ours ? name.substr(kShared.size()) : name, candidates);
  return best.empty() ? "" : " Did you mean '" + (ours ? std::string(kShared) : "") + best + "'?";
}

// A name as it may stand in a log line.
std::string printable(std::string_view name) {
  std::string text;
  for (char c : name) text += c >= ' ' && c <= '~' ? c : '?';
  return text;
}

}  // namespace

const Variable& declared(std::string_view name) {
  const Variable* variable = lookup(name);
  if (variable == nullptr) {
    fail(FL_INVALID_ARGUMENT, "%s is no environment variable of flagos.%s `flagos doctor --env` lists them.",
         printable(name).c_str(), suggestion(name).c_str());
  }
  return *variable;
}

Snapshot::Snapshot(const Settings& settings) {
  for (const auto& [name, value] : settings) {
    if (value.empty()) continue;
    if (lookup(name) != nullptr) {
      set_.emplace_back(name, value);
    } else if (name.starts_with("FLAGOS_") || name.starts_with("LIGHTX2V_FL_")) {
      unknown_.push_back("The environment variable " + printable(name) + " is not one of flagos and does nothing." +
                         suggestion(name) + " `flagos doctor --env` lists them.");
    }
  }
}

const char* Snapshot::raw(std::string_view name) const noexcept {
  for (const auto& [set_name, value] : set_) {
    if (set_name == name) return value.c_str();
  }
  return nullptr;
}

const char* Snapshot::value(std::string_view name) const {
  const Variable& variable = declared(name);
  if (const char* text = raw(name)) {
    check(variable, text);
    return text;
  }
  return variable.initial[0] == '\0' ? nullptr : variable.initial;
}

Settings Snapshot::family(std::string_view name) const {
  const Variable& variable = declared(name);
  if (!is_family(variable)) {
    fail(FL_INTERNAL, "%s is not declared as a family of variables; mend the reader or env_table.cc.", variable.name);
  }
  Settings members;
  for (const auto& [set_name, value] : set_) {
    if (covers(variable, set_name)) members.emplace_back(set_name.substr(prefix(variable).size()), value);
  }
  return members;
}

}  // namespace fl::env
