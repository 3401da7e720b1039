#include "routing/rules.h"

#include "fake_adapter.h"

namespace fl::routing {
namespace {

TEST(Match, is_exact_then_base_then_glob) {
  EXPECT_EQ(match("add.Tensor", "add.Tensor"), Match::kExact);
  EXPECT_EQ(match("add", "add.Tensor"), Match::kBase);
  EXPECT_EQ(match("mm", "mm"), Match::kExact);
  EXPECT_EQ(match("mm", "mm.out"), Match::kBase);
  EXPECT_EQ(match("*", "mm"), Match::kGlob);
  EXPECT_EQ(match("add.*", "add.Tensor"), Match::kGlob);
  EXPECT_EQ(match("?m", "mm"), Match::kGlob);
  EXPECT_EQ(match("*a*b*c", "xxaxxbxbxc"), Match::kGlob);
  EXPECT_EQ(match("*a*b*c", "xxaxxbxbx"), Match::kNone);
  EXPECT_EQ(match("ad", "add.Tensor"), Match::kNone);
  EXPECT_EQ(match("?m", "m"), Match::kNone);
  EXPECT_EQ(match("add.Tensor", "add"), Match::kNone);
}

// Every pair of (source, exactness, position) for one operator: the rule that must win is found by the order of
// docs/routing.md alone, and each rule names a target of its own so that the winner can be told.
class Precedence : public RoutingTest {
 protected:
  struct Written {
    Source source;
    const char* pattern;
  };
  static constexpr Source kSources[] = {Source::kApi, Source::kEnvironment, Source::kFile, Source::kShipped};
  static constexpr const char* kPatterns[] = {"*.Tensor", "add", "add.Tensor"};  // glob, base, exact

  // The operator with exactly these two rules; returns the target that runs.
  std::string winner(const Written& first, const Written& second) {
    Environment variables;
    const Folder folder;
    Router fresh;
    fresh.set_adapter(fake_adapter());
    fresh.declare_driver(0, "host");
    FakeTarget none{"none"}, one{"one"}, two{"two"};
    for (FakeTarget* target : {&none, &one, &two}) fresh.declare_target(target->info());
    const fl_operator_info info{sizeof info, "add.Tensor", "none", nullptr};
    const int32_t op = fresh.declare_operator(info);
    std::string file, shipped;
    std::vector<std::pair<std::string, std::string>> overrides;
    for (const auto& [rule, target] : {std::pair{first, "one"}, std::pair{second, "two"}}) {
      const std::string line = std::string(rule.pattern) + " = " + target + "\n";
      if (rule.source == Source::kFile) file += line;
      if (rule.source == Source::kShipped) shipped += line;
      if (rule.source == Source::kApi) overrides.emplace_back(rule.pattern, target);
      if (rule.source == Source::kEnvironment) {
        variables.set(std::string("FLAGOS_OP_") + (rule.pattern == kPatterns[1] ? "add" : "add__Tensor"), target);
      }
    }
    if (!file.empty()) variables.set("FLAGOS_BACKEND_CONFIG", folder.write("user.conf", file));
    folder.write("shipped/backends.conf", shipped);
    fresh.set_shipped_folder(folder.path("shipped").c_str());
    for (const auto& [pattern, target] : overrides) fresh.add_override(pattern.c_str(), target.c_str(), nullptr);
    FakeCall call;
    const fl_route* route = fresh.slot(op, 0)->route;
    route->run(route, &call);
    return call.served_by;
  }
};

TEST_F(Precedence, source_beats_exactness_beats_order) {
  int pairs = 0;
  for (size_t a = 0; a < 12; ++a) {
    for (size_t b = 0; b < 12; ++b) {
      const Written first{kSources[a / 3], kPatterns[a % 3]}, second{kSources[b / 3], kPatterns[b % 3]};
      const auto cannot = [](const Written& rule) {
        return rule.source == Source::kEnvironment && rule.pattern == kPatterns[0];
      };
      if (cannot(first) || cannot(second)) continue;                 // a variable's name has no globs
      if (a == b && first.source == Source::kEnvironment) continue;  // one variable has one value
      const size_t source_a = a / 3, source_b = b / 3, exact_a = a % 3, exact_b = b % 3;
      const bool first_wins = source_a != source_b ? source_a < source_b : exact_a > exact_b;
      EXPECT_EQ(winner(first, second), first_wins ? "one" : "two")
          << source_name(first.source) << " " << first.pattern << " against " << source_name(second.source) << " "
          << second.pattern;
      ++pairs;
    }
  }
  EXPECT_EQ(pairs, 11 * 11 - 2);
}

TEST_F(RoutingTest, a_section_holds_for_its_driver_only) {
  const Folder folder;
  environment.set("FLAGOS_BACKEND_CONFIG",
                  folder.write("a.conf", "mm = fast\n[sim]\nmm = other\nadd = fast\n[chip]\nadd = vendor\n"));
  EXPECT_EQ(run("mm", {}, 0).served_by, "fast");
  EXPECT_EQ(run("mm", {}, 1).served_by, "other");
  EXPECT_EQ(run("add.Tensor", {}, 0).served_by, "cpu");
  EXPECT_EQ(run("add.Tensor", {}, 1).served_by, "fast");
}

TEST_F(RoutingTest, a_section_may_be_of_a_driver_that_only_a_target_names) {
  FakeTarget metal{"metal"};
  fl_target_info info = metal.info();
  info.drivers = "metal_driver";
  router.declare_target(info);
  const Folder folder;
  environment.set("FLAGOS_BACKEND_CONFIG", folder.write("a.conf", "[metal_driver]\nmm = metal\n"));
  EXPECT_EQ(run("mm").served_by, "cpu");
}

TEST_F(RoutingTest, operators_without_a_line_take_the_star_line_else_their_initial_chain) {
  EXPECT_EQ(run("mm").served_by, "cpu");
  const Folder folder;
  environment.set("FLAGOS_BACKEND_CONFIG", folder.write("a.conf", "* = other\nmm = fast\n"));
  router.reset();
  EXPECT_EQ(run("mm").served_by, "fast");
  EXPECT_EQ(run("add.out").served_by, "other");
}

TEST_F(RoutingTest, variables_are_matched_by_writing_each_known_name) {
  environment.set("FLAGOS_OP_mm__out", "fast");
  environment.set("FLAGOS_OP___and____Tensor", "other");
  environment.set("FLAGOS_OP_add", "fast, cpu");
  EXPECT_EQ(run("mm").served_by, "cpu");
  EXPECT_EQ(run("mm.out").served_by, "fast");
  EXPECT_EQ(run("__and__.Tensor").served_by, "other");
  EXPECT_EQ(run("add.out").served_by, "fast");
}

struct WrongRule {
  const char* line;
  const char* error;
};

class UnknownWords : public RoutingTest, public testing::WithParamInterface<WrongRule> {};

TEST_P(UnknownWords, are_errors_with_place_and_suggestion) {
  const Folder folder;
  const std::string path = folder.write("a.conf", std::string("\n") + GetParam().line + "\n");
  environment.set("FLAGOS_BACKEND_CONFIG", path);
  EXPECT_EQ(error_of([&] { route("mm"); }), path + ":2:" + GetParam().error);
  EXPECT_EQ(error_of([&] { route("mm"); }), path + ":2:" + GetParam().error) << "told each time";
}

INSTANTIATE_TEST_SUITE_P(
    All, UnknownWords,
    testing::Values(
        WrongRule{"mm = cpu, fats",
                  "11: unknown target 'fats'. Did you mean 'fast'? The targets are: cpu, fast, other, vendor."},
        WrongRule{"mm = cpu, cpu", "11: target 'cpu' stands twice in this chain; remove one."},
        WrongRule{"mm = vendor, vendor_kernels", "14: target 'vendor' stands twice in this chain; remove one."},
        WrongRule{" __andd__ = cpu", "2: unknown operator '__andd__'. Did you mean '__and__'?"},
        WrongRule{"aten::mm = cpu", "1: unknown operator 'aten::mm'. Did you mean 'mm'?"},
        WrongRule{"add.Tensr = cpu", "1: unknown operator 'add.Tensr'. 'add' has: add.Tensor, add.out."},
        WrongRule{"conv* = cpu", "1: 'conv*' matches no operator. Remove it, or see 'flagos routes' for the names."},
        WrongRule{"[hots]", "2: unknown driver 'hots'. Did you mean 'host'?"}));

TEST_F(RoutingTest, a_variable_for_no_operator_is_named_with_a_suggestion) {
  environment.set("FLAGOS_OP_mm_out", "cpu");
  EXPECT_EQ(error_of([&] { route("mm"); }).substr(0, 72),
            "FLAGOS_OP_mm_out: no operator has this name. Did you mean FLAGOS_OP_mm__");
}

TEST_F(RoutingTest, a_variable_with_a_wrong_chain_is_named) {
  environment.set("FLAGOS_OP_mm", "fast cpu");
  EXPECT_EQ(error_of([&] { route("mm"); }),
            "FLAGOS_OP_mm: expected ',' between two targets, as in 'mm = flagos, cpu'.");
}

}  // namespace
}  // namespace fl::routing
