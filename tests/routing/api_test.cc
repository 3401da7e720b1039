// The C functions as a program sees them: statuses, texts, the process's own router.
#include "fake_adapter.h"

namespace fl::routing {
namespace {

void append(void* to, const char* text, size_t size) { static_cast<std::string*>(to)->append(text, size); }

TEST(RoutingApi, declares_chooses_runs_and_tells) {
  const fl_routing_adapter adapter = fake_adapter();
  fl_routing_set_adapter(&adapter);
  ASSERT_EQ(fl_routing_declare_driver(0, "host"), FL_OK);
  FakeTarget cpu{"cpu"}, fast{"fast"};
  int32_t cpu_id = -1, fast_id = -1, op = -1;
  const fl_target_info cpu_info = cpu.info(), fast_info = fast.info();
  ASSERT_EQ(fl_routing_declare_target(&cpu_info, &cpu_id), FL_OK);
  ASSERT_EQ(fl_routing_declare_target(&fast_info, &fast_id), FL_OK);
  const fl_operator_info info{sizeof info, "mm", "cpu", nullptr};
  ASSERT_EQ(fl_routing_declare_operator(&info, &op), FL_OK);
  fl_route_slot* slot = nullptr;
  ASSERT_EQ(fl_routing_slot(op, 0, &slot), FL_OK);
  EXPECT_EQ(slot->route->plain_target, cpu_id);

  int32_t handle = -1;
  ASSERT_EQ(fl_routing_override("mm", "fast", nullptr, &handle), FL_OK);
  EXPECT_EQ(slot->route->plain_target, fast_id);
  EXPECT_EQ(fl_routing_override("mn", "fast", nullptr, &handle), FL_INVALID_ARGUMENT);
  EXPECT_STREQ(fl_last_error(), "override(\"mn\", \"fast\"): unknown operator 'mn'. Did you mean 'mm'?");
  EXPECT_EQ(fl_routing_remove_override(handle), FL_OK);
  EXPECT_EQ(fl_routing_remove_override(handle), FL_INVALID_ARGUMENT);
  EXPECT_EQ(slot->route->plain_target, cpu_id);

  EXPECT_EQ(fl_routing_set_trace(FL_TRACE_COUNT), FL_OK);
  EXPECT_EQ(fl_routing_get_trace(), uint32_t{FL_TRACE_COUNT});
  FakeCall call;
  slot->route->run(slot->route, &call);
  std::string text;
  EXPECT_EQ(fl_ledger_report(append, &text), FL_OK);
  EXPECT_EQ(text.substr(0, 68), "[{\"operator\":\"mm\",\"driver\":\"host\",\"target\":\"cpu\",\"calls\":1,\"declined");
  fl_ledger_clear();
  EXPECT_EQ(fl_routing_reset(), FL_OK);
  EXPECT_EQ(fl_routing_get_trace(), 0u);

  for (const auto document : {+[](std::string* to) { return fl_routing_explain("mm", nullptr, 0, append, to); },
                              +[](std::string* to) { return fl_routing_table(nullptr, append, to); },
                              +[](std::string* to) { return fl_routing_targets(append, to); },
                              +[](std::string* to) { return fl_routing_conf(append, to); }}) {
    std::string json;
    EXPECT_EQ(document(&json), FL_OK);
    EXPECT_GT(json.size(), 2u);
  }
  EXPECT_EQ(fl_routing_explain("mm", nullptr, 0, nullptr, nullptr), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_routing_slot(op, 0, nullptr), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_routing_declare_target(nullptr, nullptr), FL_INVALID_ARGUMENT);
}

TEST(RoutingApi, a_route_without_every_function_of_the_adapter_is_a_bug_that_is_named) {
  Router fresh;
  fl_routing_adapter adapter = fake_adapter();
  adapter.shadow = nullptr;
  fresh.set_adapter(adapter);
  try {
    fresh.slot(0, 0);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), FL_INTERNAL);
  }
  Log log;
  adapter.struct_size = 8;
  fl_routing_set_adapter(&adapter);
  ASSERT_EQ(log.records.size(), 1u);
  EXPECT_EQ(log.records[0].second.substr(0, 36), "fl_routing_adapter has struct_size 8");
}

}  // namespace
}  // namespace fl::routing
