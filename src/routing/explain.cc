// The documents that tell what routing decided and why. They are formed under the lock and handed out after it, and
// they plan exactly as calls do: what they say is what runs.
#include "base/text.h"
#include "routing/router.h"

namespace fl::routing {
namespace {

void append(void* context, const char* text, size_t size) { static_cast<std::string*>(context)->append(text, size); }

template <class Write>
std::string document(Write write) {
  std::string text;
  {
    JsonWriter json(append, &text);
    write(json);
  }
  return text;
}

void write_text_or_null(JsonWriter& json, const char* name, const std::string& text) {
  if (text.empty()) {
    json.key(name).null();
  } else {
    json.member(name, text);
  }
}

void write_place(JsonWriter& json, Source source, const Location& at, const std::string& reason) {
  json.member("source", source_name(source));
  write_text_or_null(json, "file", source == Source::kApi ? "" : at.file);
  if (at.line > 0) {
    json.member("line", at.line).member("column", at.column);
  } else {
    json.key("line").null().key("column").null();
  }
  write_text_or_null(json, "reason", reason);
}

// What a candidate would do with a call, and why.
struct Verdict {
  const char* word;
  std::string why;
};

constexpr const char* kRuns = "runs";

// `found` tells that an earlier candidate runs the call, `barred` that FLAGOS_STRICT stopped at one.
Verdict judge(const Candidate& candidate, uint64_t traits, bool found, bool barred, const Catalog& catalog) {
  switch (candidate.state) {
    case Candidate::State::kAbsent:
      return {"absent", candidate.why_not};
    case Candidate::State::kWrongDriver:
      return {"other driver", candidate.why_not};
    case Candidate::State::kNotThisOperator:
      return {"no kernel", candidate.why_not};
    case Candidate::State::kServes:
      break;
  }
  if (barred) return {"barred", "FLAGOS_STRICT=1 forbids moving on to it."};
  if (const uint64_t missing = traits & ~candidate.mask; missing != 0) {
    return {"cannot", "does not serve: " + catalog.trait_names(missing) + "."};
  }
  if (found) return {"stands by", "an earlier target serves the call; this one is asked when that one declines."};
  return {kRuns, "the first target of the chain that serves such a call."};
}

}  // namespace

const Operator& Router::require_known_operator(const char* name) const {
  const std::string text = name == nullptr ? "" : name;
  const Operator* op = catalog_.find_operator(text);
  if (op == nullptr) {
    fl::fail(FL_INVALID_ARGUMENT, "unknown operator '%s'.%s", text.c_str(), catalog_.suggest_operator(text).c_str());
  }
  return *op;
}

std::string Router::require_devices(const char* driver) const {
  for (const std::string& name : catalog_.drivers()) {
    if (!name.empty() && (driver == nullptr || name == driver)) return name;
  }
  const std::string text = driver == nullptr ? "" : driver;
  fl::fail(FL_INVALID_ARGUMENT, "no device of a driver '%s' is here.%s", text.c_str(),
           catalog_.suggest_driver(text).c_str());
}

void Router::write_rule(JsonWriter& json, const Rule& rule) const {
  json.begin_object();
  write_place(json, rule.source, rule.at, rule.reason);
  json.member("pattern", rule.pattern);
  write_text_or_null(json, "section", rule.driver);
  json.key("chain").begin_array();
  for (const int32_t id : rule.chain) json.value(catalog_.targets()[static_cast<size_t>(id)].name);
  json.end_array();
  if (rule.handle >= 0) json.member("handle", rule.handle);
  json.end_object();
}

// Writes "runs" and "candidates".
void Router::write_candidates(JsonWriter& json, const Plan& plan, const Slot& slot, uint64_t traits) const {
  std::vector<Verdict> verdicts;
  const Candidate* runs = nullptr;
  bool barred = false;
  for (const Candidate& candidate : plan.candidates) {
    verdicts.push_back(judge(candidate, traits, runs != nullptr, barred, catalog_));
    if (verdicts.back().word == kRuns) runs = &candidate;
    if (plan.strict && candidate.state == Candidate::State::kServes) barred = true;
  }
  write_text_or_null(json, "runs", runs == nullptr ? "" : runs->name);
  json.key("candidates").begin_array();
  for (size_t i = 0; i < plan.candidates.size(); ++i) {
    const Candidate& candidate = plan.candidates[i];
    json.begin_object()
        .member("target", candidate.name)
        .member("verdict", verdicts[i].word)
        .member("why", verdicts[i].why);
    write_place(json, plan.source, plan.at, plan.reason);
    json.key("refused").begin_array();
    for (const Refusal* refusal : slot.refusals.of(candidate.target, candidate.generation)) {
      json.begin_object().member("signature", refusal->signature).member("why", refusal->why).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

std::string Router::explain(const char* op, const char* driver, uint64_t traits) {
  prepare();
  return request([&] {
    const Operator& known = require_known_operator(op);
    const int32_t index = catalog_.driver_index(require_devices(driver));
    std::unique_ptr<Slot> fresh;  // explaining hands out no slot
    const auto handed_out = slots_.find({known.id, index});
    if (handed_out == slots_.end()) fresh = new_slot(known.id, index);
    Slot& slot = fresh != nullptr ? *fresh : *handed_out->second;
    const std::unique_ptr<Plan> plan = make_plan(slot);
    require_answers();
    std::vector<const Rule*> overruled;
    const Rule* decided = deciding_rule(slot, &overruled);
    return document([&](JsonWriter& json) {
      json.begin_object().member("operator", slot.op_name).member("driver", slot.driver_name);
      json.member("strict", plan->strict).member("composed", !known.has_kernel());
      json.key("rule");
      write_rule(json, decided != nullptr ? *decided : initial_rule(slot));
      write_candidates(json, *plan, slot, traits);
      json.key("overruled").begin_array();
      for (const Rule* rule : overruled) write_rule(json, *rule);
      json.end_array().end_object();
    });
  });
}

std::string Router::table(const char* driver) {
  prepare();
  return request([&] {
    std::vector<std::string> drivers;
    if (driver != nullptr) {
      drivers.push_back(require_devices(driver));
    } else {
      for (const std::string& name : catalog_.drivers()) {
        if (!name.empty()) drivers.push_back(name);
      }
    }
    struct Row {
      std::unique_ptr<Slot> fresh;  // explaining hands out no slot
      std::unique_ptr<Plan> plan;
    };
    std::vector<Row> rows;
    for (const std::string& name : drivers) {
      for (const Operator& op : catalog_.operators()) {
        if (!op.has_kernel()) continue;
        Row row{new_slot(op.id, catalog_.driver_index(name)), nullptr};
        row.plan = make_plan(*row.fresh);
        rows.push_back(std::move(row));
      }
    }
    require_answers();
    return document([&](JsonWriter& json) {
      json.begin_array();
      for (const Row& row : rows) {
        const auto handed_out = slots_.find({row.fresh->op, row.fresh->driver});
        const Slot& slot = handed_out == slots_.end() ? *row.fresh : *handed_out->second;
        json.begin_object().member("operator", slot.op_name).member("driver", slot.driver_name);
        json.member("rule", row.plan->rule_text);
        write_place(json, row.plan->source, row.plan->at, row.plan->reason);
        write_candidates(json, *row.plan, slot, 0);
        json.end_object();
      }
      json.end_array();
    });
  });
}

std::string Router::targets() {
  const Session session(*this);
  return document([&](JsonWriter& json) {
    json.begin_array();
    for (const Target& target : catalog_.targets()) {
      json.begin_object().member("target", target.name).member("id", target.id).member("present", !target.absent);
      write_text_or_null(json, "absent", target.absent.value_or(""));
      json.key("aliases").begin_array();
      for (const std::string& alias : target.aliases) json.value(alias);
      json.end_array();
      json.key("drivers");
      if (target.drivers.empty()) {
        json.null();
      } else {
        json.begin_array();
        for (const std::string& name : target.drivers) json.value(name);
        json.end_array();
      }
      // A mask of all ones serves every call; of the others only the named traits are worth telling.
      json.key("does_not_serve").begin_array();
      for (int bit = 0; bit <= FL_TRAIT_SYMBOLIC; ++bit) {
        const uint64_t trait = uint64_t{1} << bit;
        if ((target.mask & trait) == 0 && catalog_.trait_is_named(bit)) json.value(catalog_.trait_names(trait));
      }
      json.end_array().end_object();
    }
    json.end_array();
  });
}

std::string Router::conf() {
  const Session session(*this);
  const Settings& now = settings();
  return document([&](JsonWriter& json) {
    const auto write_rules = [&](const std::vector<Rule>& rules) {
      json.key("rules").begin_array();
      for (const Rule& rule : rules) write_rule(json, rule);
      json.end_array();
    };
    const auto write_file = [&](Source source, const std::string& driver, const RuleFile& file) {
      json.begin_object().member("source", source_name(source));
      write_text_or_null(json, "driver", driver);
      json.key("files").begin_array();
      for (const std::string& path : file.conf.files) json.value(path);
      json.end_array();
      write_rules(file.rules);
      json.end_object();
    };
    json.begin_object().member("strict", now.strict).key("sources").begin_array();
    json.begin_object()
        .member("source", source_name(Source::kApi))
        .key("driver")
        .null()
        .key("files")
        .begin_array()
        .end_array();
    write_rules(overrides_);
    json.end_object();
    json.begin_object()
        .member("source", source_name(Source::kEnvironment))
        .key("driver")
        .null()
        .key("files")
        .begin_array()
        .end_array();
    write_rules(now.environment);
    json.end_object();
    if (!now.file.conf.files.empty()) write_file(Source::kFile, "", now.file);
    for (const auto& [driver, file] : now.shipped_files()) {
      if (!file.conf.files.empty()) write_file(Source::kShipped, driver, file);
    }
    json.end_array().end_object();
  });
}

}  // namespace fl::routing
