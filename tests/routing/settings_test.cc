#include "routing/settings.h"

#include "fake_adapter.h"

namespace fl::routing {
namespace {

class SettingsTest : public RoutingTest {
 protected:
  SettingsTest() { router.set_shipped_folder(folder.path("site/torch_fl").c_str()); }
  Folder folder;
};

TEST_F(SettingsTest, the_drivers_own_shipped_file_goes_before_the_common_one) {
  folder.write("site/torch_fl/backends.conf", "mm = fast\n");
  folder.write("site/torch_fl/backends_sim.conf", "mm = other\n");
  EXPECT_EQ(run("mm", {}, 0).served_by, "fast");
  EXPECT_EQ(run("mm", {}, 1).served_by, "other");
}

TEST_F(SettingsTest, the_users_file_lies_over_the_shipped_one) {
  folder.write("site/torch_fl/backends.conf", "mm = fast\nadd.out = fast\n");
  environment.set("FLAGOS_BACKEND_CONFIG", folder.write("mine.conf", "mm = other\n"));
  EXPECT_EQ(run("mm").served_by, "other");
  EXPECT_EQ(run("add.out").served_by, "fast");
}

TEST_F(SettingsTest, a_relative_path_is_found_beside_and_in_the_package) {
  folder.write("site/torch_fl/backends_mine.conf", "mm = fast\n");
  environment.set("FLAGOS_BACKEND_CONFIG", "torch_fl/backends_mine.conf");
  EXPECT_EQ(run("mm").served_by, "fast");
  environment.set("FLAGOS_BACKEND_CONFIG", "backends_mine.conf");
  router.reset();
  EXPECT_EQ(run("mm").served_by, "fast");
}

TEST_F(SettingsTest, the_working_folder_goes_before_the_package) {
  folder.write("site/torch_fl/mine.conf", "mm = fast\n");
  folder.write("work/mine.conf", "mm = other\n");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path("work"));
  environment.set("FLAGOS_BACKEND_CONFIG", "mine.conf");
  const std::string served_by = run("mm").served_by;
  std::filesystem::current_path(before);
  EXPECT_EQ(served_by, "other");
}

TEST_F(SettingsTest, a_users_file_includes_a_shipped_one) {
  folder.write("site/torch_fl/backends_cpu.conf", "* = other\n");
  environment.set("FLAGOS_BACKEND_CONFIG", folder.write("mine.conf", "include backends_cpu.conf\nmm = fast\n"));
  EXPECT_EQ(run("mm").served_by, "fast");
  EXPECT_EQ(run("add.out").served_by, "other");
}

TEST_F(SettingsTest, a_missing_file_is_an_error_that_names_the_variable_and_the_places) {
  environment.set("FLAGOS_BACKEND_CONFIG", "gone.conf");
  const std::string error = error_of([&] { route("mm"); });
  EXPECT_EQ(error.substr(0, 67), "FLAGOS_BACKEND_CONFIG: there is no file 'gone.conf'. Looked in: " +
                                     std::filesystem::current_path().string().substr(0, 3))
      << error;
  EXPECT_NE(error.find(folder.path("site") + ", " + folder.path("site/torch_fl")), std::string::npos) << error;
}

TEST_F(SettingsTest, a_file_that_cannot_be_read_is_an_error_that_names_the_variable) {
  environment.set("FLAGOS_BACKEND_CONFIG", folder.path());
  EXPECT_NE(error_of([&] { route("mm"); }).find("FLAGOS_BACKEND_CONFIG: '"), std::string::npos);
}

TEST_F(SettingsTest, reset_reads_everything_again_and_a_broken_file_changes_nothing) {
  const std::string path = folder.write("mine.conf", "mm = other\n");
  environment.set("FLAGOS_BACKEND_CONFIG", path);
  EXPECT_EQ(run("mm").served_by, "other");
  router.add_override("mm", "fast", nullptr);
  folder.write("mine.conf", "mm = \n");
  EXPECT_EQ(error_of([&] { router.reset(); }).substr(0, path.size() + 6), path + ":1:5: ");
  EXPECT_EQ(run("mm").served_by, "fast") << "the override still holds";
  folder.write("mine.conf", "mm = cpu\n");
  router.reset();
  EXPECT_EQ(run("mm").served_by, "cpu");
}

TEST_F(SettingsTest, a_broken_file_is_told_at_each_need_until_reset_finds_it_mended) {
  const std::string path = folder.write("mine.conf", "mm\n");
  environment.set("FLAGOS_BACKEND_CONFIG", path);
  EXPECT_NE(error_of([&] { route("mm"); }), "no error");
  folder.write("mine.conf", "mm = fast\n");
  EXPECT_NE(error_of([&] { route("mm"); }), "no error");
  router.reset();
  EXPECT_EQ(run("mm").served_by, "fast");
}

TEST_F(SettingsTest, the_shipped_folder_cannot_change_once_read) {
  route("mm");
  EXPECT_NE(error_of([&] { router.set_shipped_folder("/elsewhere"); }), "no error");
  router.set_shipped_folder(folder.path("site/torch_fl").c_str());
}

// The files that are shipped, as they are, with the targets that the plugin declares.
class ShippedFiles : public testing::Test {
 protected:
  std::string served_by(const char* config, const char* driver = "host") {
    Environment environment;
    if (config != nullptr) environment.set("FLAGOS_BACKEND_CONFIG", config);
    Router router;
    router.set_adapter(fake_adapter());
    router.declare_driver(0, driver);
    router.declare_driver(-1, "host");
    FakeTarget cpu{"cpu"}, flagos{"flagos"};
    router.declare_target(cpu.info());
    router.declare_target(flagos.info());
    router.set_shipped_folder(FLAGOS_TEST_SHIPPED);
    const fl_operator_info info{sizeof info, "mm", "cpu", nullptr};
    const fl_route* route = router.slot(router.declare_operator(info), 0)->route;
    FakeCall call;
    route->run(route, &call);
    return call.served_by;
  }
};

TEST_F(ShippedFiles, the_default_prefers_flagos_but_on_the_host) {
  EXPECT_EQ(served_by(nullptr, "chip"), "flagos");
  EXPECT_EQ(served_by(nullptr), "cpu");
}

TEST_F(ShippedFiles, backends_cpu_sends_everything_to_the_cpu) {
  EXPECT_EQ(served_by("backends_cpu.conf"), "cpu");
  EXPECT_EQ(served_by("torch_fl/backends_cpu.conf"), "cpu");
}

}  // namespace
}  // namespace fl::routing
