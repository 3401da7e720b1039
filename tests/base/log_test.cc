#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/env.h"

namespace {

using Records = std::vector<std::pair<int32_t, std::string>>;

void keep(void* context, int32_t level, const char* text) { static_cast<Records*>(context)->emplace_back(level, text); }

// Takes the log's records for the life of a test.
class Log : public testing::Test {
 protected:
  Log() { fl_set_log_sink(keep, &records_); }
  ~Log() override { fl_set_log_sink(nullptr, nullptr); }
  Records records_;
};

TEST_F(Log, warnings_and_errors_are_shown_by_default) {
  const fl::env::Scoped scoped({});
  fl::log(FL_LOG_ERROR, "e %d", 1);
  fl::log(FL_LOG_WARNING, "w");
  fl::log(FL_LOG_INFO, "i");
  fl::log(FL_LOG_DEBUG, "d");
  EXPECT_EQ(records_, (Records{{FL_LOG_ERROR, "e 1"}, {FL_LOG_WARNING, "w"}}));
  EXPECT_TRUE(fl::log_enabled(FL_LOG_WARNING));
  EXPECT_FALSE(fl::log_enabled(FL_LOG_INFO));
}

TEST_F(Log, the_environment_chooses_the_level) {
  const fl::env::Scoped scoped({{"FLAGOS_LOG_LEVEL", "debug"}});
  fl::log(FL_LOG_DEBUG, "d");
  EXPECT_EQ(records_, (Records{{FL_LOG_DEBUG, "d"}}));
}

TEST_F(Log, a_wrong_level_is_told_once_and_warnings_are_shown) {
  const fl::env::Scoped scoped({{"FLAGOS_LOG_LEVEL", "loud"}});
  fl::log(FL_LOG_INFO, "hidden");
  fl::log(FL_LOG_WARNING, "shown");
  ASSERT_EQ(records_.size(), 2u);
  EXPECT_NE(records_[0].second.find("FLAGOS_LOG_LEVEL='loud'"), std::string::npos) << records_[0].second;
  EXPECT_EQ(records_[1].second, "shown");
}

TEST_F(Log, levels_out_of_range_are_the_nearest_one) {
  const fl::env::Scoped scoped({{"FLAGOS_LOG_LEVEL", "debug"}});
  fl_log(-5, "worst");
  fl_log(77, "least");
  EXPECT_EQ(records_, (Records{{FL_LOG_ERROR, "worst"}, {FL_LOG_DEBUG, "least"}}));
}

TEST(LogToStderr, a_record_is_one_line) {
  const fl::env::Scoped scoped({});
  testing::internal::CaptureStderr();
  fl_log(FL_LOG_WARNING, "100% of it");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "flagos WARNING: 100% of it\n");
}

}  // namespace
