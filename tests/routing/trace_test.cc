#include "routing/trace.h"

#include "fake_adapter.h"

namespace fl::routing {
namespace {

std::string ledger_text(Router& router) {
  std::string text;
  {
    JsonWriter json([](void* to, const char* part, size_t size) { static_cast<std::string*>(to)->append(part, size); },
                    &text);
    router.ledger().report(json);
  }
  return text;
}

class TraceTest : public RoutingTest {
 protected:
  LedgerRow& row(const std::string& op, const std::string& target) { return *router.ledger().row(op, "host", target); }
};

TEST_F(TraceTest, nothing_is_counted_while_it_is_off) {
  run("mm");
  fl_ledger_add_copied(10);
  EXPECT_EQ(ledger_text(router), "[]");
}

TEST_F(TraceTest, calls_declines_and_exceptions_are_counted_by_target) {
  fast.decline = "no";
  router.add_override("mm", "fast, cpu", nullptr);
  router.set_trace(FL_TRACE_COUNT);
  EXPECT_EQ(router.trace(), uint32_t{FL_TRACE_COUNT});
  EXPECT_EQ(route("mm")->plain_target, -1);
  for (int i = 0; i < 3; ++i) run("mm");
  cpu.throws = true;
  FakeCall call;
  EXPECT_THROW(route("mm")->run(route("mm"), &call), KernelException);
  EXPECT_EQ(row("mm", "fast").declined, 4u);
  EXPECT_EQ(row("mm", "fast").calls, 0u);
  EXPECT_EQ(row("mm", "cpu").calls, 3u);
  EXPECT_EQ(row("mm", "cpu").raised, 1u);
  router.set_trace(0);
  cpu.throws = false;
  run("mm");
  EXPECT_EQ(row("mm", "cpu").calls, 3u);
  router.ledger().clear();
  EXPECT_EQ(ledger_text(router), "[]");
}

TEST_F(TraceTest, time_and_bytes_go_to_the_innermost_call) {
  static const fl_route* inner;
  fast.inside = [](FakeCall&) {
    fl_ledger_add_copied(1);
    FakeCall call;
    inner->run(inner, &call);
    fl_ledger_add_copied(2);
  };
  cpu.inside = [](FakeCall&) {
    fl_ledger_add_copied(100);
    fl_ledger_add_device_time(1.5);
  };
  router.set_trace(FL_TRACE_COUNT);
  inner = route("mm");
  router.add_override("add.Tensor", "fast", nullptr);
  run("add.Tensor");
  run("add.Tensor");
  EXPECT_EQ(row("add.Tensor", "fast").copied_bytes, 6u);
  EXPECT_EQ(row("mm", "cpu").copied_bytes, 200u);
  EXPECT_EQ(row("mm", "cpu").device_ns, 3.0);
  const LedgerRow& outer = row("add.Tensor", "fast");
  EXPECT_EQ(outer.inclusive_ns, outer.exclusive_ns + row("mm", "cpu").inclusive_ns) << "to the nanosecond";
  EXPECT_EQ(row("mm", "cpu").inclusive_ns, row("mm", "cpu").exclusive_ns);
  EXPECT_EQ(LedgerFrame::current(), nullptr);
}

TEST_F(TraceTest, a_call_inside_of_itself_counts_its_time_once) {
  static const fl_route* again;
  static int depth;
  depth = 0;
  cpu.inside = [](FakeCall&) {
    if (++depth > 3) return;
    FakeCall call;
    again->run(again, &call);
  };
  router.set_trace(FL_TRACE_COUNT);
  again = route("mm");
  run("mm");
  EXPECT_EQ(row("mm", "cpu").calls, 4u);
  EXPECT_EQ(row("mm", "cpu").inclusive_ns, row("mm", "cpu").exclusive_ns)
      << "all time is its own, and none is counted twice";
}

TEST_F(TraceTest, an_exception_closes_its_frames) {
  static const fl_route* inner;
  cpu.throws = true;
  fast.inside = [](FakeCall&) {
    FakeCall call;
    inner->run(inner, &call);
  };
  router.set_trace(FL_TRACE_COUNT);
  inner = route("mm");
  router.add_override("add.Tensor", "fast", nullptr);
  FakeCall call;
  EXPECT_THROW(route("add.Tensor")->run(route("add.Tensor"), &call), KernelException);
  EXPECT_EQ(LedgerFrame::current(), nullptr);
  EXPECT_EQ(row("add.Tensor", "fast").raised, 1u);
}

TEST_F(TraceTest, dispatch_is_logged_with_target_origin_and_what_went_before) {
  environment.set("FLAGOS_LOG_DISPATCH", "1");
  Log log;
  fast.decline = "no such size";
  run("add.out");
  const Folder folder;
  const std::string path = folder.write("a.conf", "mm = fast, cpu # try\n");
  environment.set("FLAGOS_BACKEND_CONFIG", path);
  router.reset();
  run("mm");
  std::vector<std::string> texts;
  for (const auto& [level, text] : log.records) texts.push_back(text);
  const std::string origin = "It is routed by " + path + ":1:1: mm = fast, cpu  # try.";
  EXPECT_EQ(texts,
            (std::vector<std::string>{
                "dispatch add.out(float32[2, 3]) on host -> cpu. It is routed by its initial chain: add.out = cpu.",
                "dispatch mm(float32[2, 3]) on host -> fast. " + origin,
                "dispatch mm(float32[2, 3]) on host -> cpu. " + origin + " fast: no such size."}));
  log.records.clear();
  router.set_trace(0);
  run("mm");
  EXPECT_TRUE(log.records.empty());
}

TEST_F(TraceTest, shadow_names_the_first_call_that_differs_and_each_further_operator_once) {
  environment.set("FLAGOS_SHADOW", "cpu");
  Log log;
  router.add_override("*", "fast", nullptr);
  fast.result = 1;
  run("mm");
  EXPECT_TRUE(log.records.empty()) << "equal results say nothing";
  fast.result = 2;
  EXPECT_EQ(run("mm").result, 2) << "the call's own result";
  run("mm");
  run("add.out");
  run("add.out");
  ASSERT_EQ(log.records.size(), 2u);
  EXPECT_EQ(log.records[0].first, FL_LOG_ERROR);
  EXPECT_EQ(log.records[0].second,
            "shadow: the first call that differs: mm(float32[2, 3]) on host by 'fast' differs from the reference: 1 of "
            "6 elements "
            "differs. It is routed by override: * = fast.");
  EXPECT_EQ(log.records[1].first, FL_LOG_WARNING);
  EXPECT_EQ(log.records[1].second.substr(0, 58), "shadow: differs too: add.out(float32[2, 3]) on host by 'fa");
}

TEST_F(TraceTest, shadow_does_not_compare_the_reference_with_itself) {
  router.set_trace(FL_TRACE_SHADOW);
  EXPECT_EQ(run("mm").trail, std::vector<std::string>{"cpu"});
}

TEST_F(TraceTest, wrappers_compose_and_what_shadow_does_for_itself_is_not_traced) {
  static const fl_route* inner;
  static int inner_runs;
  inner_runs = 0;
  // The target and the reference both call mm: the target's is compared itself, the reference's is left alone.
  other.inside = [](FakeCall&) { ++inner_runs; };
  const auto calls_mm = [](FakeCall&) {
    FakeCall call;
    inner->run(inner, &call);
  };
  fast.inside = calls_mm;
  cpu.inside = [](FakeCall& call) {
    if (call.trail.size() == 1 && call.signature == 1) ++inner_runs;
  };
  Log log;
  router.add_override("mm", "other", nullptr);
  router.add_override("add.Tensor", "fast", nullptr);
  router.set_trace(FL_TRACE_SHADOW | FL_TRACE_COUNT | FL_TRACE_LOG);
  inner = route("mm");
  run("add.Tensor");
  EXPECT_EQ(row("add.Tensor", "fast").calls, 1u);
  EXPECT_EQ(row("mm", "other").calls, 1u);
  EXPECT_EQ(row("mm", "cpu").calls, 0u) << "the reference is not counted";
  EXPECT_EQ(inner_runs, 3) << "mm by other, mm by cpu to compare, add.Tensor by cpu to compare";
  EXPECT_EQ(log.records.size(), 2u) << "one line for each call of the program's own";
  EXPECT_TRUE(tracing_here());
}

TEST_F(TraceTest, a_declined_shadowed_call_moves_on) {
  fast.decline = "no";
  router.add_override("mm", "fast, cpu", nullptr);
  router.set_trace(FL_TRACE_SHADOW);
  EXPECT_EQ(run("mm").trail, (std::vector<std::string>{"fast", "cpu"}));
}

TEST_F(TraceTest, unknown_bits_are_refused) {
  EXPECT_EQ(error_of([&] { router.set_trace(8); }), "0x8 has bits that are none of FL_TRACE_*.");
  EXPECT_EQ(router.trace(), 0u);
}

}  // namespace
}  // namespace fl::routing
