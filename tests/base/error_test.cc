#include "base/error.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "base/struct_size.h"

namespace {

TEST(Error, becomes_a_status_and_a_text_at_the_boundary) {
  const fl_status status = fl::guarded([] { fl::fail(FL_DEVICE_LOST, "device %d of driver '%s' is gone", 3, "sim"); });
  EXPECT_EQ(status, FL_DEVICE_LOST);
  EXPECT_STREQ(fl_last_error(), "device 3 of driver 'sim' is gone");
}

TEST(Error, a_body_passes_its_own_status_on) {
  EXPECT_EQ(fl::guarded([] {}), FL_OK);
  EXPECT_EQ(fl::guarded([] { return FL_NOT_READY; }), FL_NOT_READY);
}

TEST(Error, other_exceptions_keep_their_text) {
  EXPECT_EQ(fl::guarded([] { throw std::out_of_range("index 9"); }), FL_INTERNAL);
  EXPECT_STREQ(fl_last_error(), "index 9");
  EXPECT_EQ(fl::guarded([] { throw std::bad_alloc(); }), FL_OUT_OF_MEMORY);
  EXPECT_NE(std::string(fl_last_error()).find("no memory"), std::string::npos);
}

TEST(Error, a_long_text_is_kept_whole) {
  const std::string name(5000, 'n');
  EXPECT_EQ(fl::guarded([&] { fl::fail(FL_INTERNAL, "<%s>", name.c_str()); }), FL_INTERNAL);
  EXPECT_EQ(fl_last_error(), "<" + name + ">");
}

TEST(Error, each_thread_has_its_own_text) {
  fl::set_last_error("mine");
  std::string before, after;
  std::thread([&] {
    before = fl_last_error();
    fl::set_last_error("theirs");
    after = fl_last_error();
  }).join();
  EXPECT_EQ(before, "");
  EXPECT_EQ(after, "theirs");
  EXPECT_STREQ(fl_last_error(), "mine");
}

TEST(Error, every_status_has_a_name) {
  EXPECT_STREQ(fl::status_name(FL_OK), "FL_OK");
  EXPECT_STREQ(fl::status_name(FL_INTERNAL), "FL_INTERNAL");
  EXPECT_STREQ(fl::status_name(static_cast<fl_status>(99)), "unknown status");
}

struct Report {
  size_t struct_size;
  int64_t first;
  int64_t second;
};

TEST(StructSize, an_older_caller_gets_the_members_that_it_knows) {
  Report out{offsetof(Report, second), -1, -1};
  fl::fill_struct(&out, Report{sizeof(Report), 7, 8});
  EXPECT_EQ(out.struct_size, offsetof(Report, second));
  EXPECT_EQ(out.first, 7);
  EXPECT_EQ(out.second, -1);
}

TEST(StructSize, a_newer_caller_keeps_what_is_not_known_here) {
  struct Newer {
    Report known;
    int64_t third;
  } out{{sizeof(Newer), -1, -1}, -1};
  fl::fill_struct(&out.known, Report{sizeof(Report), 7, 8});
  EXPECT_EQ(out.known.second, 8);
  EXPECT_EQ(out.third, -1);
}

TEST(StructSize, a_caller_that_forgot_its_size_is_told) {
  Report out{};
  EXPECT_EQ(fl::guarded([&] { fl::fill_struct(&out, Report{sizeof(Report), 7, 8}); }), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(fl_last_error()).find("struct_size"), std::string::npos);
}

}  // namespace
