#include "routing/router.h"

#include "fake_adapter.h"

namespace fl::routing {
namespace {

constexpr uint64_t kFloat64 = FL_TRAIT_DTYPE(7);
constexpr uint64_t kStrides = uint64_t{1} << FL_TRAIT_NONCONTIGUOUS;

TEST_F(RoutingTest, a_single_target_that_serves_all_is_run_plainly) {
  const fl_route* now = route("mm");
  EXPECT_EQ(now->plain_target, 0);
  EXPECT_EQ(now->head, &cpu);
  EXPECT_EQ(now->head_run, &FakeTarget::run);
  EXPECT_EQ(run("mm").trail, std::vector<std::string>{"cpu"});
}

TEST_F(RoutingTest, a_slot_keeps_its_address_and_a_route_that_was_read_stays_good) {
  fl_route_slot* slot = router.slot(ids["mm"], 0);
  const fl_route* before = slot->route;
  router.add_override("mm", "fast", nullptr);
  EXPECT_EQ(router.slot(ids["mm"], 0), slot);
  EXPECT_NE(slot->route, before);
  FakeCall call;
  before->run(before, &call);
  EXPECT_EQ(call.served_by, "cpu");
  EXPECT_EQ(run("mm").served_by, "fast");
}

TEST_F(RoutingTest, several_targets_or_a_mask_are_not_plain) {
  router.add_override("mm", "fast, cpu", nullptr);
  EXPECT_EQ(route("mm")->plain_target, -1);
  FakeTarget picky{"picky"};
  router.declare_target(picky.info(~kFloat64));
  router.add_override("mm", "picky", nullptr);
  EXPECT_EQ(route("mm")->plain_target, -1);
  router.add_override("mm", "vendor, cpu", nullptr);
  EXPECT_EQ(route("mm")->plain_target, 0) << "an absent target leaves one that serves all";
}

TEST_F(RoutingTest, a_call_goes_to_the_first_target_whose_mask_has_its_traits) {
  FakeTarget no_double{"no_double"}, no_strides{"no_strides"};
  router.declare_target(no_double.info(~kFloat64));
  router.declare_target(no_strides.info(~kStrides));
  router.add_override("mm", "no_double, no_strides, cpu", nullptr);
  EXPECT_EQ(run("mm").trail, std::vector<std::string>{"no_double"});
  EXPECT_EQ(run("mm", {.traits = kFloat64}).trail, std::vector<std::string>{"no_strides"});
  EXPECT_EQ(run("mm", {.traits = kStrides}).trail, std::vector<std::string>{"no_double"});
  EXPECT_EQ(run("mm", {.traits = kStrides | kFloat64}).trail, std::vector<std::string>{"cpu"});
}

TEST_F(RoutingTest, a_declined_call_moves_on) {
  fast.decline = "does not compile";
  router.add_override("mm", "fast, cpu", nullptr);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run("mm").trail, (std::vector<std::string>{"fast", "cpu"}));
}

TEST_F(RoutingTest, a_remembered_refusal_holds_for_its_signature_operator_and_target) {
  fast.decline = "does not compile";
  fast.remember = true;
  router.add_override("*", "fast, cpu", nullptr);
  for (uint64_t signature = 0; signature < 100; ++signature) {
    EXPECT_EQ(run("mm", {.signature = signature}).trail.size(), 2u);
  }
  for (uint64_t signature = 0; signature < 100; ++signature) {
    EXPECT_EQ(run("mm", {.signature = signature}).trail, std::vector<std::string>{"cpu"});
  }
  EXPECT_EQ(run("mm", {.signature = 100}).trail.size(), 2u);
  EXPECT_EQ(run("mm.out", {.signature = 1}).trail.size(), 2u);
  EXPECT_EQ(run("mm", {.signature = 1}, 1).trail.size(), 2u) << "another driver";
  router.add_override("mm", "fast, other", nullptr);
  EXPECT_EQ(run("mm", {.signature = 1}).trail, std::vector<std::string>{"other"}) << "a new route still knows";
  router.reset();
  router.add_override("mm", "fast, cpu", nullptr);
  EXPECT_EQ(run("mm", {.signature = 1}).trail.size(), 2u) << "reset forgets";
}

TEST_F(RoutingTest, a_target_declared_anew_is_asked_again) {
  fast.decline = "does not compile";
  fast.remember = true;
  router.add_override("mm", "fast, cpu", nullptr);
  run("mm");
  EXPECT_EQ(run("mm").trail, std::vector<std::string>{"cpu"});
  FakeTarget mended{"fast"};
  EXPECT_EQ(router.declare_target(mended.info()), 1);
  EXPECT_EQ(run("mm").trail, std::vector<std::string>{"fast"});
}

TEST_F(RoutingTest, a_plain_target_that_refuses_for_good_is_not_run_again) {
  cpu.decline = "has no such kernel";
  cpu.remember = true;
  EXPECT_NE(failure("mm").find("cpu: has no such kernel."), std::string::npos);
  FakeCall again;
  EXPECT_THROW(route("mm")->run(route("mm"), &again), FakeException);
  EXPECT_TRUE(again.trail.empty());
}

TEST_F(RoutingTest, a_call_that_nobody_serves_raises_with_a_reason_for_each_target) {
  const Folder folder;
  const std::string path = folder.write("a.conf", "mm = vendor, picky, other, fast  # the chip's own\n");
  environment.set("FLAGOS_BACKEND_CONFIG", path);
  FakeTarget picky{"picky"};
  router.declare_target(picky.info(~(kFloat64 | kStrides)));
  router.name_trait(7, "float64");
  other.lacks = {"mm"};
  fast.decline = "the grid is empty";
  EXPECT_EQ(failure("mm", {.traits = kFloat64 | kStrides}),
            "mm(float32[2, 3]) on host: no target of its chain can serve this call.\n"
            "  vendor: the vendor's library is not installed; install it.\n"
            "  picky: does not serve: float64, non-contiguous operand.\n"
            "  other: no kernel for mm on host.\n"
            "  fast: the grid is empty.\n"
            "It is routed by " +
                path +
                ":1:1: mm = vendor, picky, other, fast  # the chip's own. "
                "Name a target that can at the end of that chain, or try it with FLAGOS_OP_mm=cpu.");
}

TEST_F(RoutingTest, only_a_written_cpu_falls_back_to_the_cpu) {
  router.add_override("mm", "vendor", nullptr);
  EXPECT_NE(failure("mm").find("vendor: the vendor's library is not installed"), std::string::npos);
  router.add_override("mm", "vendor, cpu", nullptr);
  EXPECT_EQ(run("mm").served_by, "cpu");
}

TEST_F(RoutingTest, strict_forbids_moving_on_and_remembering) {
  environment.set("FLAGOS_STRICT", "1");
  FakeTarget picky{"picky"};
  router.declare_target(picky.info(~kFloat64));
  router.add_override("mm", "picky, cpu", nullptr);
  EXPECT_EQ(run("mm").served_by, "picky");
  EXPECT_NE(failure("mm", {.traits = kFloat64}).find("cpu: not tried, for FLAGOS_STRICT=1 forbids moving on."),
            std::string::npos);
  picky.decline = "does not compile";
  picky.remember = true;
  for (int i = 0; i < 2; ++i) {
    FakeCall call;
    EXPECT_THROW(route("mm")->run(route("mm"), &call), FakeException);
    EXPECT_EQ(call.trail, std::vector<std::string>{"picky"}) << "asked each time";
  }
  router.add_override("mm", "vendor, cpu", nullptr);
  EXPECT_EQ(run("mm").served_by, "cpu") << "a target that can never serve here is no part of the chain";
}

TEST_F(RoutingTest, exceptions_of_a_target_pass_through_untouched) {
  cpu.throws = fast.throws = true;
  FakeCall call;
  EXPECT_THROW(route("mm")->run(route("mm"), &call), KernelException);
  router.add_override("mm", "fast, cpu", nullptr);
  FakeCall other_call;
  EXPECT_THROW(route("mm")->run(route("mm"), &other_call), KernelException);
  EXPECT_EQ(other_call.trail, std::vector<std::string>{"fast"}) << "an error is no decline";
}

TEST_F(RoutingTest, a_reason_given_by_a_target_that_served_after_all_is_not_taken_for_anothers) {
  fast.inside = [](FakeCall&) { fl_route_decline("stale", 1); };
  router.add_override("mm", "fast, cpu", nullptr);
  run("mm");
  other.decline = "mine";
  router.add_override("mm", "other, vendor", nullptr);
  EXPECT_NE(failure("mm").find("other: mine."), std::string::npos);
}

TEST_F(RoutingTest, an_absent_target_is_warned_of_once_and_only_when_it_was_asked_for) {
  Log log;
  declare("bmm", "vendor, cpu");
  run("bmm");
  EXPECT_TRUE(log.records.empty()) << "nobody wrote the initial chain";
  router.add_override("mm", "vendor, cpu", nullptr);
  run("mm");
  router.add_override("add", "vendor, cpu", nullptr);
  run("add.out");
  ASSERT_EQ(log.records.size(), 1u);
  EXPECT_EQ(log.records[0].first, FL_LOG_WARNING);
  EXPECT_EQ(log.records[0].second,
            "override: target 'vendor' is absent here and is skipped (mm = vendor, cpu): the vendor's library is not "
            "installed; install it.");
}

TEST_F(RoutingTest, a_target_that_becomes_present_takes_its_place) {
  router.add_override("mm", "vendor, cpu", nullptr);
  EXPECT_EQ(run("mm").served_by, "cpu");
  FakeTarget vendor{"vendor"};
  router.declare_target(vendor.info());
  EXPECT_EQ(run("mm").served_by, "vendor");
}

TEST_F(RoutingTest, a_target_of_other_drivers_is_passed_over) {
  FakeTarget chip{"chip_kernels"};
  fl_target_info info = chip.info();
  info.drivers = "sim, chip";
  router.declare_target(info);
  router.add_override("mm", "chip_kernels, cpu", nullptr);
  EXPECT_EQ(run("mm", {}, 0).served_by, "cpu");
  EXPECT_EQ(run("mm", {}, 1).served_by, "chip_kernels");
}

TEST_F(RoutingTest, targets_are_asked_for_operators_without_the_lock) {
  static Router* asked;
  asked = &router;
  FakeTarget curious{"curious"};
  fl_target_info info = curious.info();
  info.serves = [](void*, const char* op, const char*, char*, size_t) -> int32_t {
    // Would wait for ever if the lock were held.
    return asked->targets().find("curious") != std::string::npos && std::string(op) == "mm";
  };
  router.declare_target(info);
  router.add_override("*", "curious, cpu", nullptr);
  EXPECT_EQ(run("mm").served_by, "curious");
  EXPECT_EQ(run("mm.out").served_by, "cpu");
  router.reset();
}

TEST_F(RoutingTest, what_a_target_said_of_an_operator_holds_until_it_is_declared_again_or_reset) {
  fast.lacks = {"mm"};
  router.add_override("mm", "fast, cpu", nullptr);
  EXPECT_EQ(run("mm").served_by, "cpu");
  fast.lacks = {};
  router.add_override("mm", "fast, other", nullptr);
  EXPECT_EQ(run("mm").served_by, "other");
  router.declare_target(fast.info());
  EXPECT_EQ(run("mm").served_by, "fast");
  fast.lacks = {"mm"};
  router.reset();
  router.add_override("mm", "fast, cpu", nullptr);
  EXPECT_EQ(run("mm").served_by, "cpu");
}

TEST_F(RoutingTest, overrides_are_taken_back_by_handle_in_any_order) {
  const int32_t first = router.add_override("mm", "fast", nullptr);
  const int32_t second = router.add_override("mm", "other", nullptr);
  EXPECT_EQ(run("mm").served_by, "other");
  router.remove_override(first);
  EXPECT_EQ(run("mm").served_by, "other");
  router.remove_override(second);
  EXPECT_EQ(run("mm").served_by, "cpu");
  EXPECT_NE(error_of([&] { router.remove_override(second); }).find("there is no override with the handle 1"),
            std::string::npos);
}

TEST_F(RoutingTest, an_override_of_one_driver_leaves_the_others) {
  router.add_override("mm", "fast", "sim");
  EXPECT_EQ(run("mm", {}, 0).served_by, "cpu");
  EXPECT_EQ(run("mm", {}, 1).served_by, "fast");
}

TEST_F(RoutingTest, a_wrong_override_changes_nothing) {
  run("mm");
  EXPECT_EQ(error_of([&] { router.add_override("nm", "cpu", nullptr); }),
            "override(\"nm\", \"cpu\"): unknown operator 'nm'. Did you mean 'mm'?");
  EXPECT_EQ(error_of([&] { router.add_override("mm", "fastt", nullptr); }),
            "override(\"mm\", \"fastt\"): unknown target 'fastt'. Did you mean 'fast'? The targets are: cpu, fast, "
            "other, vendor.");
  EXPECT_EQ(error_of([&] { router.add_override("mm", "", nullptr); }),
            "override(\"mm\", \"\"): expected a target's name, as in 'mm = flagos, cpu'.");
  EXPECT_EQ(error_of([&] { router.add_override("mm", "cpu", "hots"); }),
            "override(\"mm\", \"cpu\"): unknown driver 'hots'. Did you mean 'host'?");
  EXPECT_EQ(run("mm").served_by, "cpu");
}

TEST_F(RoutingTest, switching_to_and_fro_makes_no_new_routes) {
  const fl_route* plain = route("mm");
  const int32_t first = router.add_override("mm", "fast", nullptr);
  const fl_route* fast_route = route("mm");
  router.remove_override(first);
  EXPECT_EQ(route("mm"), plain);
  router.set_trace(FL_TRACE_COUNT);
  EXPECT_NE(route("mm"), plain);
  router.set_trace(0);
  EXPECT_EQ(route("mm"), plain);
  router.add_override("mm", "fast", nullptr);
  EXPECT_EQ(route("mm"), fast_route);
}

TEST_F(RoutingTest, declarations_are_checked) {
  FakeTarget nameless{""};
  EXPECT_NE(error_of([&] { router.declare_target(nameless.info()); }), "no error");
  fl_target_info short_info = fast.info();
  short_info.struct_size = 8;
  EXPECT_NE(error_of([&] { router.declare_target(short_info); }).find("struct_size 8"), std::string::npos);
  fl_target_info both = fast.info();
  both.absent = "gone";
  EXPECT_NE(error_of([&] { router.declare_target(both); }), "no error");
  FakeTarget thief{"thief"};
  fl_target_info stolen = thief.info();
  stolen.aliases = "vendor_kernels";
  EXPECT_EQ(
      error_of([&] { router.declare_target(stolen); }),
      "target 'thief' cannot take the name 'vendor_kernels', which belongs to target 'vendor'; choose another one.");
  const int32_t mm = ids["mm"];
  EXPECT_EQ(declare("mm"), mm) << "again is the same operator";
  const fl_operator_info no_chain{sizeof no_chain, "addmm", "", nullptr};
  EXPECT_NE(error_of([&] { router.declare_operator(no_chain); }), "no error");
  EXPECT_NE(error_of([&] { router.declare_driver(0, "sim"); }), "no error");
  router.declare_driver(0, "host");
  EXPECT_NE(error_of([&] { router.slot(99, 0); }).find("there is no operator 99"), std::string::npos);
  EXPECT_NE(error_of([&] { router.slot(mm, 2); }).find("there is no driver 2"), std::string::npos);
  EXPECT_NE(error_of([&] { router.slot(mm, -1); }).find("there is no driver -1"), std::string::npos);
  declare("bmm", "cpuu");
  EXPECT_EQ(error_of([&] { route("bmm"); }).substr(0, 40), "initial chain of bmm: unknown target 'cp");
}

// What `needed` was called with; it has no context of its own.
std::vector<std::string> made;
void make(const char* name) { made.emplace_back(name); }

TEST_F(RoutingTest, a_kernel_is_asked_for_when_a_rule_sends_its_operator_elsewhere) {
  made.clear();
  declare("zeros", "cpu", make);
  declare("ones", "cpu", make);
  router.prepare();
  EXPECT_TRUE(made.empty());
  router.add_override("zeros", "cpu", nullptr);
  router.add_override("*", "cpu, fast", nullptr);
  EXPECT_TRUE(made.empty()) << "these begin where the operators go anyway";
  EXPECT_NE(router.explain("zeros", "host", 0).find("\"composed\":true"), std::string::npos);
  EXPECT_EQ(router.table("host").find("zeros"), std::string::npos) << "it has no route of its own yet";
  router.add_override("zeros", "fast", "sim");
  EXPECT_EQ(made, std::vector<std::string>{"zeros"});
  declare("zeros");  // the kernel is made
  EXPECT_NE(router.table("host").find("zeros"), std::string::npos);
  router.add_override("zeros", "fast", nullptr);
  EXPECT_EQ(made.size(), 1u);
  EXPECT_EQ(run("zeros").served_by, "fast");
}

TEST_F(RoutingTest, a_glob_asks_for_the_kernels_of_what_its_target_serves) {
  made.clear();
  declare("zeros", "cpu", make);
  declare("ones", "cpu", make);
  fast.lacks = {"ones"};
  router.add_override("*", "vendor, fast, cpu", nullptr);
  EXPECT_EQ(made, std::vector<std::string>{"zeros"});
}

TEST_F(RoutingTest, a_kernel_is_asked_for_when_nothing_can_serve_or_a_target_has_come) {
  made.clear();
  declare("zeros", "cpu", make);
  declare("ones", "cpu", make);
  router.add_override("zeros", "vendor", nullptr);
  EXPECT_EQ(made, std::vector<std::string>{"zeros"}) << "its calls must fail with the reason";
  declare("zeros");
  router.add_override("ones", "vendor, cpu", nullptr);
  EXPECT_EQ(made.size(), 1u);
  FakeTarget vendor{"vendor"};
  router.declare_target(vendor.info());
  EXPECT_EQ(made, (std::vector<std::string>{"zeros", "ones"}));
}

TEST_F(RoutingTest, a_rule_that_decides_again_when_an_override_ends_asks_for_kernels) {
  made.clear();
  declare("zeros", "cpu", make);
  const Folder folder;
  environment.set("FLAGOS_BACKEND_CONFIG", folder.write("a.conf", "zeros = fast, cpu\n"));
  const int32_t handle = router.add_override("*", "cpu", nullptr);
  EXPECT_TRUE(made.empty());
  router.remove_override(handle);
  EXPECT_EQ(made, std::vector<std::string>{"zeros"});
}

TEST_F(RoutingTest, a_conf_file_asks_for_kernels_when_it_is_read) {
  made.clear();
  declare("zeros", "cpu", make);
  const Folder folder;
  environment.set("FLAGOS_BACKEND_CONFIG", folder.write("a.conf", "zeros = fast, cpu\n"));
  router.table(nullptr);
  EXPECT_EQ(made, std::vector<std::string>{"zeros"});
}

}  // namespace
}  // namespace fl::routing
