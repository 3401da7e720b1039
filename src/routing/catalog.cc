// Names, numbers and suggestions: no decision is taken here.
#include "routing/catalog.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fl::routing {
namespace {

std::vector<std::string> words(const char* list) {
  std::vector<std::string> result;
  if (list == nullptr) return result;
  for (std::string_view word : split(list, ',')) result.emplace_back(word);
  return result;
}

void require_struct(size_t given, size_t needed, const char* name) {
  if (given < needed) {
    fl::fail(FL_INVALID_ARGUMENT, "%s has struct_size %zu where %zu is the least; set it to sizeof(%s).", name, given,
             needed, name);
  }
}

constexpr std::pair<int, const char*> kTraitNames[] = {
    {FL_TRAIT_NONCONTIGUOUS, "non-contiguous operand"},
    {FL_TRAIT_GRAD, "gradient asked for"},
    {FL_TRAIT_CPU_OPERAND, "operand on the cpu"},
    {FL_TRAIT_ZERO_DIM, "0-dimensional operand"},
    {FL_TRAIT_EMPTY, "empty operand"},
    {FL_TRAIT_CONJ_OR_NEG, "conjugate or negative view"},
    {FL_TRAIT_NOT_STRIDED, "operand that is not strided"},
    {FL_TRAIT_SYMBOLIC, "symbolic size"},
};

}  // namespace

bool Target::serves_driver(std::string_view driver) const {
  return drivers.empty() || std::find(drivers.begin(), drivers.end(), driver) != drivers.end();
}

std::string_view base_name(std::string_view op) { return op.substr(0, op.find('.')); }

Catalog::Catalog() {
  for (const auto& [bit, name] : kTraitNames) traits_[static_cast<size_t>(bit)] = name;
}

int32_t Catalog::declare_target(const fl_target_info& info) {
  require_struct(info.struct_size, sizeof(fl_target_info), "fl_target_info");
  if (info.name == nullptr || *info.name == '\0')
    fl::fail(FL_INVALID_ARGUMENT, "a target was declared without a name.");
  if ((info.absent == nullptr) == (info.run == nullptr)) {
    fl::fail(FL_INVALID_ARGUMENT,
             "target '%s' must be declared with either a function to run or a reason for its absence.", info.name);
  }
  Target target;
  target.name = info.name;
  target.aliases = words(info.aliases);
  target.drivers = words(info.drivers);
  if (info.absent != nullptr) target.absent = info.absent;
  target.mask = info.mask;
  target.run = info.run;
  target.data = info.data;
  target.serves = info.serves;

  const auto known = target_ids_.find(target.name);
  const bool again = known != target_ids_.end() && targets_[static_cast<size_t>(known->second)].name == target.name;
  target.id = again ? known->second : static_cast<int32_t>(targets_.size());
  target.generation = again ? targets_[static_cast<size_t>(target.id)].generation + 1 : 0;
  std::vector<std::string> names = target.aliases;
  names.push_back(target.name);
  for (const std::string& name : names) {
    const auto taken = target_ids_.find(name);
    if (taken != target_ids_.end() && taken->second != target.id) {
      fl::fail(FL_INVALID_ARGUMENT,
               "target '%s' cannot take the name '%s', which belongs to target '%s'; choose another one.", info.name,
               name.c_str(), targets_[static_cast<size_t>(taken->second)].name.c_str());
    }
  }
  if (again) {
    for (const std::string& alias : targets_[static_cast<size_t>(target.id)].aliases) target_ids_.erase(alias);
  }
  for (const std::string& name : names) target_ids_[name] = target.id;
  const int32_t id = target.id;
  if (again) {
    targets_[static_cast<size_t>(id)] = std::move(target);
  } else {
    targets_.push_back(std::move(target));
  }
  return id;
}

int32_t Catalog::declare_operator(const fl_operator_info& info) {
  require_struct(info.struct_size, sizeof(fl_operator_info), "fl_operator_info");
  if (info.name == nullptr || *info.name == '\0')
    fl::fail(FL_INVALID_ARGUMENT, "an operator was declared without a name.");
  if (info.initial == nullptr || *info.initial == '\0') {
    fl::fail(FL_INVALID_ARGUMENT, "operator '%s' was declared without an initial chain; \"cpu\" is one.", info.name);
  }
  const auto known = operator_ids_.find(info.name);
  if (known != operator_ids_.end()) {
    Operator& again = operators_[static_cast<size_t>(known->second)];
    again.initial = info.initial;
    again.needed = info.needed;
    return known->second;
  }
  const auto id = static_cast<int32_t>(operators_.size());
  operators_.push_back({id, info.name, info.initial, info.needed});
  operator_ids_[info.name] = id;
  bases_[std::string(base_name(info.name))].push_back(id);
  return id;
}

void Catalog::declare_driver(int32_t index, const std::string& name) {
  if (name.empty()) fl::fail(FL_INVALID_ARGUMENT, "driver %d was declared without a name.", index);
  if (index < 0) {
    if (!knows_driver(name)) other_drivers_.push_back(name);
    return;
  }
  const auto slot = static_cast<size_t>(index);
  if (slot >= drivers_.size()) drivers_.resize(slot + 1);
  const int32_t earlier = driver_index(name);
  if ((earlier >= 0 && earlier != index) || (!drivers_[slot].empty() && drivers_[slot] != name)) {
    fl::fail(FL_INVALID_ARGUMENT, "driver %d cannot be declared as '%s': the number or the name is taken already.",
             index, name.c_str());
  }
  drivers_[slot] = name;
}

const Target* Catalog::find_target(std::string_view name) const {
  const auto found = target_ids_.find(std::string(name));
  return found == target_ids_.end() ? nullptr : &targets_[static_cast<size_t>(found->second)];
}

const Operator* Catalog::find_operator(std::string_view name) const {
  const auto found = operator_ids_.find(std::string(name));
  return found == operator_ids_.end() ? nullptr : &operators_[static_cast<size_t>(found->second)];
}

int32_t Catalog::driver_index(std::string_view name) const {
  const auto found = std::find(drivers_.begin(), drivers_.end(), name);
  return name.empty() || found == drivers_.end() ? -1 : static_cast<int32_t>(found - drivers_.begin());
}

bool Catalog::knows_driver(std::string_view name) const {
  const auto serves_it = [&](const Target& target) { return !target.drivers.empty() && target.serves_driver(name); };
  return driver_index(name) >= 0 ||
         std::find(other_drivers_.begin(), other_drivers_.end(), name) != other_drivers_.end() ||
         std::any_of(targets_.begin(), targets_.end(), serves_it);
}

std::string Catalog::suggest_target(std::string_view name) const {
  std::vector<std::string_view> candidates;
  for (const Target& target : targets_) {
    candidates.push_back(target.name);
    candidates.insert(candidates.end(), target.aliases.begin(), target.aliases.end());
  }
  return did_you_mean(name, candidates);
}

std::string Catalog::suggest_operator(std::string_view name) const {
  if (const size_t colons = name.rfind("::"); colons != std::string_view::npos) {
    const std::string_view short_name = name.substr(colons + 2);
    if (find_operator(short_name) != nullptr || knows_base(short_name))
      return " Did you mean '" + std::string(short_name) + "'?";
  }
  const auto base = bases_.find(std::string(base_name(name)));
  if (base != bases_.end()) {  // the right operator, another overload: say which there are
    std::string text = " '" + base->first + "' has: ";
    for (size_t i = 0; i < base->second.size() && i < 8; ++i) {
      text += (i > 0 ? ", " : "") + operators_[static_cast<size_t>(base->second[i])].name;
    }
    return text + (base->second.size() > 8 ? ", and others." : ".");
  }
  std::vector<std::string_view> candidates;
  for (const Operator& op : operators_) candidates.push_back(op.name);
  for (const auto& [known, overloads] : bases_) candidates.push_back(known);
  return did_you_mean(name, candidates);
}

std::string Catalog::suggest_driver(std::string_view name) const {
  std::vector<std::string_view> candidates;
  for (const std::string& driver : drivers_) {
    if (!driver.empty()) candidates.push_back(driver);
  }
  candidates.insert(candidates.end(), other_drivers_.begin(), other_drivers_.end());
  for (const Target& target : targets_)
    candidates.insert(candidates.end(), target.drivers.begin(), target.drivers.end());
  return did_you_mean(name, candidates);
}

std::string Catalog::target_names() const {
  std::string text;
  for (const Target& target : targets_) text += (text.empty() ? "" : ", ") + target.name;
  return text;
}

void Catalog::name_trait(int32_t bit, const char* name) {
  if (bit >= 0 && bit < 64 && name != nullptr) traits_[static_cast<size_t>(bit)] = name;
}

bool Catalog::trait_is_named(int32_t bit) const { return !traits_[static_cast<size_t>(bit)].empty(); }

std::string Catalog::trait_names(uint64_t traits) const {
  std::string text;
  for (int bit = 0; bit < 64; ++bit) {
    if ((traits >> bit & 1) == 0) continue;
    const std::string& name = traits_[static_cast<size_t>(bit)];
    text += (text.empty() ? "" : ", ") + (name.empty() ? "trait " + std::to_string(bit) : name);
  }
  return text;
}

}  // namespace fl::routing
