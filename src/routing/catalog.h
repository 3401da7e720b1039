// What the adapter has declared: drivers, targets and operators, with their numbers and names. It finds names and makes
// suggestions; it decides nothing. Guarded by the router's lock.
#ifndef FLAGOS_ROUTING_CATALOG_H_
#define FLAGOS_ROUTING_CATALOG_H_

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flagos/routing.h"

namespace fl::routing {

struct Target {
  int32_t id = -1;
  int32_t generation = 0;  // counts the declarations: what was remembered of an earlier one no longer holds
  std::string name;
  std::vector<std::string> aliases;
  std::vector<std::string> drivers;  // empty: all
  std::optional<std::string> absent;
  uint64_t mask = ~uint64_t{0};
  fl_target_run run = nullptr;
  void* data = nullptr;
  int32_t (*serves)(void*, const char*, const char*, char*, size_t) = nullptr;

  bool serves_driver(std::string_view driver) const;
};

struct Operator {
  int32_t id = -1;
  std::string name;
  std::string initial;
  void (*needed)(const char* name) = nullptr;  // not null while the adapter has no kernel for it

  bool has_kernel() const { return needed == nullptr; }
};

// "add.Tensor" -> "add".
std::string_view base_name(std::string_view op);

class Catalog {
 public:
  Catalog();

  int32_t declare_target(const fl_target_info& info);
  int32_t declare_operator(const fl_operator_info& info);
  void declare_driver(int32_t index, const std::string& name);  // index -1: known, without devices here

  const Target* find_target(std::string_view name) const;  // by name or alias; nullptr when unknown
  const Operator* find_operator(std::string_view name) const;
  bool knows_base(std::string_view base) const { return bases_.contains(std::string(base)); }
  bool knows_driver(std::string_view name) const;  // declared, or named by a target

  const std::deque<Target>& targets() const { return targets_; }
  const std::deque<Operator>& operators() const { return operators_; }
  const std::vector<std::string>& drivers() const { return drivers_; }  // by index; "" where none was declared
  int32_t driver_index(std::string_view name) const;                    // -1 when it has no devices here

  // As did_you_mean(): " Did you mean 'cpu'?" or "".
  std::string suggest_target(std::string_view name) const;
  std::string suggest_operator(std::string_view name) const;
  std::string suggest_driver(std::string_view name) const;
  std::string target_names() const;  // "cpu, flagos, flaggems", for messages

  void name_trait(int32_t bit, const char* name);
  bool trait_is_named(int32_t bit) const;
  // "float64, non-contiguous": the set bits of `traits`.
  std::string trait_names(uint64_t traits) const;

 private:
  std::deque<Target> targets_;  // a deque: routes and rules point into it
  std::deque<Operator> operators_;
  std::vector<std::string> drivers_;
  std::vector<std::string> other_drivers_;
  std::unordered_map<std::string, int32_t> target_ids_;  // names and aliases
  std::unordered_map<std::string, int32_t> operator_ids_;
  std::unordered_map<std::string, std::vector<int32_t>> bases_;
  std::array<std::string, 64> traits_ = {};
};

}  // namespace fl::routing

#endif  // FLAGOS_ROUTING_CATALOG_H_
