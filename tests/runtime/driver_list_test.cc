// Drivers found and selected: the rules of FLAGOS_DRIVER, and every way in which a driver can be broken.
#include "runtime/driver_list.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "base/env.h"
#include "devices_fixture.h"
#include "runtime/driver_open.h"

namespace fl::test {
namespace {

using runtime::DriverList;
using runtime::LinkedDriver;
using testing::HasSubstr;
using testing::StartsWith;

fl_status absent_entry(const fl_driver_host*, const fl_driver**, char* why, size_t why_size) {
  std::snprintf(why, why_size, "the chip is not plugged in");
  return FL_ABSENT;
}

// A fake that is called as the row expects; each name needs a table of its own.
template <int N>
fl_status named_entry(const char* name, const fl_driver** driver) {
  static fl_driver table;
  table = FakeTable<N>::table(name);
  *driver = &table;
  return FL_OK;
}
fl_status host_entry(const fl_driver_host*, const fl_driver** d, char*, size_t) { return named_entry<10>("host", d); }
fl_status gpu_entry(const fl_driver_host*, const fl_driver** d, char*, size_t) { return named_entry<11>("gpu", d); }
fl_status chip_entry(const fl_driver_host*, const fl_driver** d, char*, size_t) { return named_entry<12>("chip", d); }

const std::vector<LinkedDriver> kHost = {{"gone", absent_entry}, {"host", host_entry}};
const std::vector<LinkedDriver> kAll = {
    {"host", host_entry}, {"gone", absent_entry}, {"gpu", gpu_entry}, {"chip", chip_entry}};

std::vector<std::string> selected(const DriverList& list) {
  std::vector<std::string> names;
  for (const DriverList::Row* row : list.selected()) names.push_back(row->name);
  return names;
}

using Names = std::vector<std::string>;

TEST(DriverListTest, without_an_accelerator_the_host_is_taken) {
  EXPECT_EQ(selected(DriverList(kHost, {}, {})), Names{"host"});
}

TEST(DriverListTest, every_accelerator_is_taken_and_the_host_is_not) {
  EXPECT_EQ(selected(DriverList(kAll, {}, {})), (Names{"gpu", "chip"}));
}

TEST(DriverListTest, named_drivers_come_in_the_order_of_their_names) {
  DriverList list(kAll, {}, {"chip", "host", "gpu"});
  EXPECT_EQ(selected(list), (Names{"chip", "host", "gpu"}));
  EXPECT_EQ(list.selected()[2]->driver->index, 2);
}

TEST(DriverListTest, an_unknown_name_is_an_error_that_lists_the_known_ones) {
  DriverList list(kAll, {}, {"host", "cudaa"});
  EXPECT_EQ(list.status(), FL_INVALID_ARGUMENT);
  EXPECT_THAT(
      list.reason(),
      HasSubstr("FLAGOS_DRIVER names the driver \"cudaa\", which is not known here (known: host, gone, gpu, chip)"));
  EXPECT_TRUE(list.selected().empty());
}

TEST(DriverListTest, a_name_twice_is_an_error) {
  EXPECT_EQ(DriverList(kAll, {}, {"host", "host"}).status(), FL_INVALID_ARGUMENT);
}

TEST(DriverListTest, an_absent_driver_that_is_named_is_an_error_with_its_reason) {
  DriverList list(kAll, {}, {"gone"});
  EXPECT_EQ(list.status(), FL_ABSENT);
  EXPECT_THAT(list.reason(), HasSubstr("the chip is not plugged in"));
}

TEST(DriverListTest, a_driver_that_is_not_needed_is_opened_for_the_report_only) {
  static int opened = 0;
  opened = 0;
  const fl_driver_entry_fn counting = [](const fl_driver_host*, const fl_driver** d, char*, size_t) {
    ++opened;
    return named_entry<13>("slow", d);
  };
  DriverList list({{"host", host_entry}, {"slow", counting}}, {}, {"host"});
  EXPECT_EQ(opened, 0);
  const auto& rows = list.report();
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(rows[1]->devices.size(), 1u);
  EXPECT_FALSE(rows[1]->selected);
  list.report();
  EXPECT_EQ(opened, 1);
}

TEST(DriverListTest, an_option_that_the_environment_refuses_is_the_drivers_reason) {
  const env::Scoped environment({{"FLAGOS_HOST_DEVICES", "many"}});
  const fl_driver_entry_fn asks = [](const fl_driver_host* host, const fl_driver** d, char*, size_t) {
    EXPECT_EQ(host->option("FLAGOS_HOST_DEVICES"), nullptr);
    EXPECT_EQ(host->option("NOT_DECLARED"), nullptr);
    EXPECT_STREQ(host->option("FLAGOS_SIM_DEVICES"), "2");
    return named_entry<14>("asks", d);
  };
  DriverList list({{"asks", asks}}, {}, {"asks"});
  EXPECT_EQ(list.status(), FL_INVALID_ARGUMENT);
  EXPECT_THAT(list.reason(), HasSubstr("FLAGOS_HOST_DEVICES"));
  EXPECT_THAT(list.reason(), HasSubstr("many"));
}

TEST(DriverListTest, the_error_of_a_selection_comes_at_each_call_and_devices_do_not_exist) {
  auto list = std::make_unique<DriverList>(kAll, Names{}, Names{"cudaa"});
  const runtime::Devices::Scoped devices(std::move(list));
  int32_t count = 7;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(fl_device_count(&count), FL_INVALID_ARGUMENT);
    EXPECT_EQ(count, 0);
    EXPECT_THAT(fl_last_error(), HasSubstr("cudaa"));
  }
  fl_stream* none = nullptr;
  EXPECT_EQ(fl_stream_default(0, &none), FL_INVALID_ARGUMENT);
  void* pinned = nullptr;
  EXPECT_EQ(fl_pinned_allocate(8, &pinned), FL_ABSENT);
  ASSERT_OK(fl_driver_count(&count));
  EXPECT_EQ(count, 4);
}

TEST(DriverListTest, no_usable_driver_is_no_error_but_no_device) {
  const runtime::Devices::Scoped devices(
      std::make_unique<DriverList>(std::vector<LinkedDriver>{{"gone", absent_entry}}, Names{}, Names{}));
  int32_t count = 7;
  EXPECT_OK(fl_device_count(&count));
  EXPECT_EQ(count, 0);
  EXPECT_EQ(fl_device_usable(0), FL_ABSENT);
}

// ---- Libraries ----

class DriverLibraryTest : public testing::Test {
 protected:
  // A folder with these libraries (and files that are none), by links to what CMake built.
  std::string folder(const Names& libraries) {
    std::string path = testing::TempDir() + "flagos_drivers_XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    for (const std::string& name : libraries) {
      const std::string file = "libflagos_driver_" + name + ".so";
      EXPECT_EQ(symlink((std::string(FLAGOS_TEST_LIBRARIES) + "/" + file).c_str(), (path + "/" + file).c_str()), 0);
    }
    return path;
  }
  const DriverList::Row& row(DriverList& list, const std::string& name) {
    for (const auto& row : list.report()) {
      if (row->name == name) return *row;
    }
    ADD_FAILURE() << "no row " << name;
    return *list.report().front();
  }
};

TEST_F(DriverLibraryTest, a_library_in_a_folder_is_a_driver_like_a_linked_one) {
  DriverList list(kHost, {folder({"good"}), "/no/such/folder"}, {});
  EXPECT_EQ(selected(list), Names{"good"});
  EXPECT_THAT(list.selected()[0]->origin, testing::EndsWith("/libflagos_driver_good.so"));
}

TEST_F(DriverLibraryTest, broken_ones_are_rows_with_reasons_and_hide_nothing) {
  const struct {
    const char* name;
    fl_status status;
    const char* reason;
  } cases[] = {
      {"crashes_on_load", FL_INTERNAL, "crashed while it was loaded (signal 11, Segmentation fault)"},
      {"crashes_in_entry", FL_INTERNAL, "crashed while its entry was called (signal 11, Segmentation fault)"},
      {"exits_on_load", FL_INTERNAL, "ended the process while it was loaded"},
      {"throws", FL_INTERNAL, "its entry threw: out of ideas"},
      {"throws_in_count", FL_INTERNAL, "device_count threw: no bus"},
      {"no_entry", FL_INTERNAL, "it has no symbol `fl_driver_entry`"},
      {"other_version", FL_INTERNAL, "it speaks driver ABI 2.0, this core speaks 1.0"},
      {"short_table", FL_INTERNAL, "its table says struct_size"},
      {"absent", FL_ABSENT, "libvendor.so.1 is not installed"},
      {"other_name", FL_INTERNAL, "it calls itself \"somebody_else\" where \"other_name\" was expected"},
      {"null_member", FL_INTERNAL, "its function `event_query` is null"},
      {"negative_count", FL_INTERNAL, "device_count answered -5"},
      {"no_table", FL_INTERNAL, "its entry answered FL_OK without a table"},
  };
  Names names = {"good"};
  for (const auto& expected : cases) names.push_back(expected.name);
  const std::string path = folder(names);
  std::ofstream(path + "/libflagos_driver_text.so") << "this is no library";
  std::ofstream(path + "/libflagos_driver_Bad-Name.so") << "";
  std::ofstream(path + "/README") << "not looked at";
  DriverList list(kHost, {path}, {});
  EXPECT_EQ(selected(list), Names{"good"});
  for (const auto& expected : cases) {
    EXPECT_EQ(row(list, expected.name).status, expected.status) << expected.name;
    EXPECT_THAT(row(list, expected.name).reason, StartsWith(expected.reason)) << expected.name;
  }
  EXPECT_EQ(row(list, "text").status, FL_INTERNAL);
  EXPECT_THAT(row(list, "text").reason, HasSubstr("libflagos_driver_text.so"));
  EXPECT_EQ(row(list, "Bad-Name").status, FL_INVALID_ARGUMENT);
  EXPECT_EQ(list.report().size(), names.size() + 2 + kHost.size());
}

TEST_F(DriverLibraryTest, a_broken_one_that_is_named_is_the_error) {
  DriverList list(kHost, {folder({"crashes_on_load"})}, {"crashes_on_load"});
  EXPECT_EQ(list.status(), FL_INTERNAL);
  EXPECT_THAT(list.reason(), HasSubstr("which is broken here: crashed while it was loaded"));
}

TEST_F(DriverLibraryTest, the_first_of_a_name_is_used_and_the_second_is_reported) {
  const std::string first = folder({"good"}), second = folder({"good"});
  DriverList list(kHost, {first, second}, {});
  EXPECT_EQ(selected(list), Names{"good"});
  EXPECT_EQ(list.report().back()->status, FL_INVALID_ARGUMENT);
  EXPECT_THAT(list.report().back()->reason, HasSubstr("found earlier (" + first));
}

TEST_F(DriverLibraryTest, the_folders_are_those_of_the_environment_then_the_librarys_own) {
  const env::Scoped environment({{"FLAGOS_DRIVER_PATH", "/one,/two"}});
  const Names folders = runtime::driver_folders();
  ASSERT_EQ(folders.size(), 3u);
  EXPECT_EQ(folders[0], "/one");
  EXPECT_EQ(folders[1], "/two");
  EXPECT_THAT(folders[2], testing::EndsWith("/drivers"));
}

}  // namespace
}  // namespace fl::test
