#include "drivers/common/handle_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>

namespace fl::drivers {
namespace {

struct Opaque;
using Table = HandleTable<std::unique_ptr<int>, Opaque*, HandleKind::kHostStream>;
using OtherTable = HandleTable<std::unique_ptr<int>, Opaque*, HandleKind::kHostEvent>;

TEST(HandleTable, finds_what_was_inserted) {
  Table table;
  std::vector<Opaque*> handles;
  for (int i = 0; i < 1000; ++i) handles.push_back(table.insert(std::make_unique<int>(i)));
  EXPECT_EQ(std::set<Opaque*>(handles.begin(), handles.end()).size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(**table.find(handles[static_cast<size_t>(i)]), i);
}

TEST(HandleTable, a_removed_handle_stays_dead_when_its_slot_is_used_again) {
  Table table;
  Opaque* const first = table.insert(std::make_unique<int>(1));
  std::unique_ptr<int> removed;
  ASSERT_TRUE(table.remove(first, &removed));
  EXPECT_EQ(*removed, 1);
  EXPECT_FALSE(table.remove(first, &removed));
  for (int i = 0; i < 1000; ++i) {
    Opaque* const next = table.insert(std::make_unique<int>(2));
    EXPECT_NE(next, first);
    EXPECT_EQ(table.find(first), nullptr);
    ASSERT_TRUE(table.remove(next, &removed));
  }
}

TEST(HandleTable, invented_and_foreign_handles_are_not_found) {
  Table table;
  OtherTable other;
  EXPECT_EQ(table.find(nullptr), nullptr);
  EXPECT_EQ(table.find(reinterpret_cast<Opaque*>(&table)), nullptr);
  for (uint64_t bits = 0; bits < 64; ++bits)
    EXPECT_EQ(table.find(reinterpret_cast<Opaque*>(uint64_t{1} << bits)), nullptr);
  EXPECT_EQ(table.find(reinterpret_cast<Opaque*>(UINT64_MAX)), nullptr);
  EXPECT_EQ(table.find(other.insert(std::make_unique<int>(1))), nullptr);
}

TEST(HandleTable, threads_insert_find_and_remove_at_once) {
  Table table;
  Opaque* const steady = table.insert(std::make_unique<int>(-1));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5'000; ++i) {
        Opaque* const mine = table.insert(std::make_unique<int>(t));
        ASSERT_EQ(**table.find(mine), t);
        ASSERT_EQ(**table.find(steady), -1);
        std::unique_ptr<int> removed;
        ASSERT_TRUE(table.remove(mine, &removed));
        ASSERT_EQ(table.find(mine), nullptr);
      }
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace fl::drivers
