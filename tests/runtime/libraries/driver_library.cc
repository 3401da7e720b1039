// Driver libraries that a test finds in a folder: one that works, and one for each way to be broken. CMake compiles
// this file once a case, with LIBRARY_CASE naming it.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>

#include "../fake_driver_table.h"

#define CASE_good 1
#define CASE_crashes_on_load 2
#define CASE_crashes_in_entry 3
#define CASE_exits_on_load 4
#define CASE_throws 5
#define CASE_no_entry 6
#define CASE_other_version 7
#define CASE_short_table 8
#define CASE_absent 9
#define CASE_other_name 10
#define CASE_null_member 11
#define CASE_throws_in_count 12
#define CASE_negative_count 13
#define CASE_no_table 14
#define PASTE(a, b) a##b
#define EXPAND_AND_PASTE(a, b) PASTE(a, b)
#define IS(name) (EXPAND_AND_PASTE(CASE_, LIBRARY_CASE) == CASE_##name)

namespace {

using Table = fl::test::FakeTable<0>;

[[maybe_unused]] void crash() { raise(SIGSEGV); }

#if IS(crashes_on_load)
__attribute__((constructor)) void on_load() { crash(); }
#elif IS(exits_on_load)
__attribute__((constructor)) void on_load() { _exit(0); }
#endif

#define TEXT_OF(name) #name
#define NAME_OF(name) TEXT_OF(name)

[[maybe_unused]] fl_driver make_table() {
  fl_driver table = Table::table(IS(other_name) ? "somebody_else" : NAME_OF(LIBRARY_CASE));
  if (IS(other_version)) table.abi_version = (FL_HAL_MAJOR + 1) << 16;
  if (IS(short_table)) table.struct_size = offsetof(fl_driver, event_create);
  if (IS(null_member)) table.event_query = nullptr;
  if (IS(throws_in_count)) table.device_count = [](int32_t*) -> fl_status { throw std::runtime_error("no bus"); };
  if (IS(negative_count)) fl::test::fake<0>().devices = -5;
  return table;
}

}  // namespace

#if !IS(no_entry)
extern "C" FL_EXPORT fl_status fl_driver_entry(const fl_driver_host*, const fl_driver** driver, char* why,
                                               size_t why_size) {
  if (IS(crashes_in_entry)) crash();
  if (IS(throws)) throw std::runtime_error("out of ideas");
  if (IS(absent)) {
    std::snprintf(why, why_size, "libvendor.so.1 is not installed");
    return FL_ABSENT;
  }
  static const fl_driver table = make_table();
  *driver = IS(no_table) ? nullptr : &table;
  return FL_OK;
}
#endif
