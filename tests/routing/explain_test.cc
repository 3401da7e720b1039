#include "fake_adapter.h"

namespace fl::routing {
namespace {

constexpr uint64_t kFloat64 = FL_TRAIT_DTYPE(7);

TEST_F(RoutingTest, explain_says_what_runs_and_why_each_other_does_not) {
  const Folder folder;
  const std::string path = folder.write("a.conf", "* = cpu\nmm = vendor, picky, fast, cpu # measured\n");
  environment.set("FLAGOS_BACKEND_CONFIG", path);
  router.set_shipped_folder(folder.path("shipped").c_str());
  folder.write("shipped/backends.conf", "[host]\nmm = other\n");
  FakeTarget picky{"picky"};
  router.declare_target(picky.info(~kFloat64));
  router.name_trait(7, "float64");
  const std::string place =
      "\"source\":\"file\",\"file\":\"" + path + "\",\"line\":2,\"column\":1,\"reason\":\"measured\"";
  const auto candidate = [&](const std::string& target, const std::string& verdict, const std::string& why) {
    return "{\"target\":\"" + target + "\",\"verdict\":\"" + verdict + "\",\"why\":\"" + why + "\"," + place +
           ",\"refused\":[]}";
  };
  EXPECT_EQ(router.explain("mm", "host", kFloat64),
            "{\"operator\":\"mm\",\"driver\":\"host\",\"strict\":false,\"composed\":false,\"rule\":{" + place +
                ",\"pattern\":\"mm\",\"section\":null,\"chain\":[\"vendor\",\"picky\",\"fast\",\"cpu\"]},\"runs\":"
                "\"fast\",\"candidates\":[" +
                candidate("vendor", "absent", "the vendor's library is not installed; install it.") + "," +
                candidate("picky", "cannot", "does not serve: float64.") + "," +
                candidate("fast", "runs", "the first target of the chain that serves such a call.") + "," +
                candidate("cpu", "stands by",
                          "an earlier target serves the call; this one is asked when that one declines.") +
                "],\"overruled\":[{\"source\":\"shipped\",\"file\":\"" + folder.path("shipped/backends.conf") +
                "\",\"line\":2,\"column\":1,\"reason\":null,\"pattern\":\"mm\",\"section\":\"host\",\"chain\":["
                "\"other\"]}]}");
}

TEST_F(RoutingTest, explain_agrees_with_what_runs) {
  FakeTarget picky{"picky"};
  router.declare_target(picky.info(~kFloat64));
  other.lacks = {"mm"};
  router.add_override("mm", "vendor, other, picky, fast", nullptr);
  for (const uint64_t traits : {uint64_t{0}, kFloat64}) {
    const std::string expected = "\"runs\":\"" + run("mm", {.traits = traits}).served_by + "\"";
    EXPECT_NE(router.explain("mm", nullptr, traits).find(expected), std::string::npos);
  }
  EXPECT_NE(router.explain("mm", nullptr, 0).find("\"verdict\":\"no kernel\",\"why\":\"no kernel for mm on host.\""),
            std::string::npos);
  EXPECT_NE(router.explain("mm", nullptr, 0).find("\"source\":\"api\",\"file\":null,\"line\":null"), std::string::npos);
}

TEST_F(RoutingTest, explain_tells_what_was_refused_for_good) {
  fast.decline = "does not compile";
  fast.remember = true;
  router.add_override("mm", "fast, cpu", nullptr);
  run("mm", {.signature = 77});
  EXPECT_NE(router.explain("mm", "host", 0).find("\"refused\":[{\"signature\":77,\"why\":\"does not compile.\"}]"),
            std::string::npos);
}

TEST_F(RoutingTest, explain_knows_strictness) {
  environment.set("FLAGOS_STRICT", "1");
  FakeTarget picky{"picky"};
  router.declare_target(picky.info(~kFloat64));
  router.add_override("mm", "picky, cpu", nullptr);
  EXPECT_NE(router.explain("mm", "host", kFloat64).find("\"runs\":null"), std::string::npos);
  EXPECT_NE(router.explain("mm", "host", 0).find("\"target\":\"cpu\",\"verdict\":\"barred\""), std::string::npos);
}

TEST_F(RoutingTest, explain_asks_for_known_words) {
  EXPECT_EQ(error_of([&] { router.explain("nm", "host", 0); }), "unknown operator 'nm'. Did you mean 'mm'?");
  EXPECT_EQ(error_of([&] { router.explain("add", "host", 0); }),
            "unknown operator 'add'. 'add' has: add.Tensor, add.out.");
  EXPECT_EQ(error_of([&] { router.explain("mm", "hots", 0); }),
            "no device of a driver 'hots' is here. Did you mean 'host'?");
}

TEST_F(RoutingTest, the_table_has_each_operator_on_each_driver) {
  router.add_override("mm", "fast, cpu", "sim");
  const auto rows = [](const std::string& text) {
    size_t count = 0;
    for (size_t at = text.find("\"operator\""); at != std::string::npos; at = text.find("\"operator\"", at + 1))
      ++count;
    return count;
  };
  EXPECT_EQ(rows(router.table("sim")), 6u);
  EXPECT_EQ(rows(router.table(nullptr)), 12u);
  EXPECT_NE(router.table("sim").find(
                "{\"operator\":\"mm\",\"driver\":\"sim\",\"rule\":\"mm = fast, cpu\",\"source\":\"api\""),
            std::string::npos);
}

TEST_F(RoutingTest, targets_are_listed_with_their_reasons) {
  FakeTarget picky{"picky"};
  router.declare_target(picky.info(~(kFloat64 | FL_TRAIT_DTYPE(9))));
  router.name_trait(7, "float64");
  const std::string text = router.targets();
  EXPECT_NE(
      text.find("{\"target\":\"vendor\",\"id\":3,\"present\":false,\"absent\":\"the vendor's library is not installed; "
                "install it\",\"aliases\":[\"vendor_kernels\"],\"drivers\":null"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("\"target\":\"picky\",\"id\":4,\"present\":true,\"absent\":null,\"aliases\":[],\"drivers\":null,"
                      "\"does_not_serve\":[\"float64\"]}"),
            std::string::npos)
      << text;
}

TEST_F(RoutingTest, conf_lists_sources_in_order_of_priority) {
  const Folder folder;
  environment.set("FLAGOS_BACKEND_CONFIG", folder.write("a.conf", "include b.conf\n"));
  folder.write("b.conf", "mm = cpu\n");
  environment.set("FLAGOS_OP_mm", "fast");
  folder.write("shipped/backends.conf", "");
  router.set_shipped_folder(folder.path("shipped").c_str());
  router.add_override("add", "other", nullptr);
  const std::string text = router.conf();
  const auto at = [&](const std::string& what) {
    const size_t found = text.find(what);
    EXPECT_NE(found, std::string::npos) << what << " in " << text;
    return found;
  };
  EXPECT_LT(at("\"pattern\":\"add\",\"section\":null,\"chain\":[\"other\"],\"handle\":0"),
            at("\"file\":\"FLAGOS_OP_mm\""));
  EXPECT_LT(at("\"file\":\"FLAGOS_OP_mm\""),
            at("\"files\":[\"" + folder.path("a.conf") + "\",\"" + folder.path("b.conf") + "\"]"));
  EXPECT_LT(at(folder.path("b.conf")),
            at("\"source\":\"shipped\",\"driver\":\"host\",\"files\":[\"" + folder.path("shipped/backends.conf")));
}

}  // namespace
}  // namespace fl::routing
