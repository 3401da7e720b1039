#include "base/env.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/env_snapshot.h"
#include "base/error.h"
#include "flagos/base.h"

namespace {

using fl::env::Scoped;

fl_status status_of(const char* name, const char** value) { return fl_env_get(name, value); }

struct Warnings {
  std::vector<std::string> texts;
  Warnings() {
    fl_set_log_sink(
        [](void* self, int32_t, const char* text) { static_cast<Warnings*>(self)->texts.emplace_back(text); }, this);
  }
  ~Warnings() { fl_set_log_sink(nullptr, nullptr); }
};

TEST(Env, an_unset_variable_has_its_default_or_nothing) {
  const Scoped scoped({});
  EXPECT_STREQ(fl::env::text("FLAGOS_RNG"), "philox");
  EXPECT_EQ(fl::env::integer("FLAGOS_HOST_DEVICES"), 1);
  EXPECT_FALSE(fl::env::flag("FLAGOS_STRICT"));
  EXPECT_EQ(fl::env::text("FLAGOS_AUTOLOAD"), nullptr);
  EXPECT_FALSE(fl::env::flag("FLAGOS_AUTOLOAD"));
  EXPECT_TRUE(fl::env::list("FLAGOS_DRIVER").empty());
}

TEST(Env, a_set_variable_has_its_value) {
  const Scoped scoped({{"FLAGOS_RNG", "cpu"},
                       {"FLAGOS_HOST_DEVICES", "4"},
                       {"FLAGOS_STRICT", "on"},
                       {"FLAGOS_DRIVER", "sim, host"},
                       {"FLAGOS_SIM_MEMORY", "64M"}});
  EXPECT_STREQ(fl::env::text("FLAGOS_RNG"), "cpu");
  EXPECT_EQ(fl::env::integer("FLAGOS_HOST_DEVICES"), 4);
  EXPECT_TRUE(fl::env::flag("FLAGOS_STRICT"));
  EXPECT_EQ(fl::env::list("FLAGOS_DRIVER"), (std::vector<std::string>{"sim", "host"}));
  EXPECT_EQ(fl::env::bytes("FLAGOS_SIM_MEMORY"), 64u << 20);
}

TEST(Env, an_empty_value_counts_as_unset_and_the_first_of_two_counts) {
  const Scoped scoped({{"FLAGOS_HOST_DEVICES", ""}, {"FLAGOS_RNG", "cpu"}, {"FLAGOS_RNG", "philox"}});
  EXPECT_EQ(fl::env::integer("FLAGOS_HOST_DEVICES"), 1);
  EXPECT_STREQ(fl::env::text("FLAGOS_RNG"), "cpu");
}

TEST(Env, a_wrong_value_fails_each_read_of_that_variable_only) {
  const Scoped scoped({{"FLAGOS_RNG", "mersenne"}, {"FLAGOS_STRICT", "1"}});
  const char* value = nullptr;
  for (int read = 0; read < 2; ++read) {
    EXPECT_EQ(status_of("FLAGOS_RNG", &value), FL_INVALID_ARGUMENT);
    EXPECT_STREQ(fl_last_error(),
                 "FLAGOS_RNG='mersenne' cannot be used: it must be one of philox|cpu. Change or unset the variable.");
  }
  EXPECT_EQ(status_of("FLAGOS_STRICT", &value), FL_OK);
  EXPECT_STREQ(value, "1");
}

TEST(Env, a_name_that_is_not_declared_is_an_error_with_a_suggestion) {
  const char* value = nullptr;
  EXPECT_EQ(status_of("FLAGOS_STRIKT", &value), FL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(fl_last_error()).find("Did you mean 'FLAGOS_STRICT'?"), std::string::npos) << fl_last_error();
  EXPECT_EQ(status_of("USER", &value), FL_INVALID_ARGUMENT);
}

TEST(Env, a_family_gives_its_members_by_the_rest_of_their_names) {
  const Scoped scoped({{"FLAGOS_OP_mm__out", "cuda"}, {"FLAGOS_OP_add__Tensor", "flagos,cpu"}, {"FLAGOS_OP_", "x"}});
  EXPECT_EQ(fl::env::family("FLAGOS_OP_*"), (fl::env::Settings{{"mm__out", "cuda"}, {"add__Tensor", "flagos,cpu"}}));
  EXPECT_STREQ(fl::env::text("FLAGOS_OP_mm__out"), "cuda");
  EXPECT_EQ(fl::env::text("FLAGOS_OP_bmm"), nullptr);
}

TEST(Env, an_unknown_variable_of_ours_is_warned_about_once) {
  Warnings warnings;
  const Scoped scoped({{"FLAGOS_DRIVERS", "host"}, {"FLAGOS_COLOUR", "red"}, {"OTHER_THING", "1"}});
  fl::env::text("FLAGOS_DRIVER");
  fl::env::text("FLAGOS_DRIVER");
  ASSERT_EQ(warnings.texts.size(), 2u);
  EXPECT_EQ(
      warnings.texts[0],
      "The environment variable FLAGOS_DRIVERS is not one of flagos and does nothing. Did you mean 'FLAGOS_DRIVER'? "
      "`flagos doctor --env` lists them.");
  EXPECT_EQ(warnings.texts[1].find("Did you mean"), std::string::npos) << warnings.texts[1];
}

TEST(Env, texts_outlive_the_scope_that_they_came_from) {
  const char* kept = nullptr;
  {
    const Scoped scoped({{"FLAGOS_BACKEND_CONFIG", "some/where.conf"}});
    kept = fl::env::text("FLAGOS_BACKEND_CONFIG");
  }
  EXPECT_STREQ(kept, "some/where.conf");
}

TEST(Env, scopes_nest_and_end_in_the_outer_one) {
  const Scoped outer({{"FLAGOS_HOST_DEVICES", "2"}});
  {
    const Scoped inner({{"FLAGOS_HOST_DEVICES", "3"}});
    EXPECT_EQ(fl::env::integer("FLAGOS_HOST_DEVICES"), 3);
  }
  EXPECT_EQ(fl::env::integer("FLAGOS_HOST_DEVICES"), 2);
}

TEST(Env, the_table_is_listed_with_what_is_in_force) {
  const Scoped scoped({{"FLAGOS_RNG", "wrong"}});
  bool seen = false;
  for (int32_t index = 0; index < fl_env_count(); ++index) {
    fl_env_info info{};
    info.struct_size = sizeof info;
    ASSERT_EQ(fl_env_at(index, &info), FL_OK);
    if (std::string(info.name) != "FLAGOS_RNG") continue;
    seen = true;
    EXPECT_STREQ(info.type, "word");
    EXPECT_STREQ(info.values, "philox|cpu");
    EXPECT_STREQ(info.initial, "philox");
    EXPECT_STREQ(info.value, "wrong");
  }
  EXPECT_TRUE(seen);
  fl_env_info info{};
  info.struct_size = sizeof info;
  EXPECT_EQ(fl_env_at(fl_env_count(), &info), FL_INVALID_ARGUMENT);
  EXPECT_EQ(fl_env_at(-1, &info), FL_INVALID_ARGUMENT);
}

// In a child of its own, since the real environment is read once a process.
TEST(EnvDeathTest, the_real_environment_is_read_once_and_again_when_asked) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto child = [] {
    setenv("FLAGOS_HOST_DEVICES", "5", 1);
    fl::env::read_again();
    const bool first = fl::env::integer("FLAGOS_HOST_DEVICES") == 5;
    setenv("FLAGOS_HOST_DEVICES", "6", 1);
    const bool held = fl::env::integer("FLAGOS_HOST_DEVICES") == 5;
    fl::env::read_again();
    const bool again = fl::env::integer("FLAGOS_HOST_DEVICES") == 6;
    _exit(first && held && again ? 0 : 1);
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(0), "");
}

TEST(Env, sixteen_threads_read_one_and_the_same_text) {
  std::vector<std::thread> threads;
  std::vector<const char*> texts(16);
  const Scoped scoped({{"FLAGOS_CPU_TARGET", "x86-64-v3"}});
  for (auto& text : texts) threads.emplace_back([&text] { text = fl::env::text("FLAGOS_CPU_TARGET"); });
  for (std::thread& thread : threads) thread.join();
  for (const char* text : texts) EXPECT_EQ(text, texts[0]);
  EXPECT_STREQ(texts[0], "x86-64-v3");
}

TEST(Env, a_forked_child_reads_while_the_parents_threads_do) {
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) fl::env::text("FLAGOS_RNG");
  });
  int good = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) _exit(std::string(fl::env::text("FLAGOS_LOG_LEVEL")) == "warning" ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    good += status == 0 ? 1 : 0;
  }
  stop = true;
  reader.join();
  EXPECT_EQ(good, 20);
}

}  // namespace
