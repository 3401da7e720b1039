// What an element depends on: seed, offset and its index; not the thread, the piece, or what else the call makes.
#include "calls.h"

namespace fl::random::testing {
namespace {

// Thread pools that cut in their own ways: as one piece; and in ragged pieces, the last one first.
void one_piece(int64_t begin, int64_t end, int64_t, fl_range_body body, void* context) {
  if (begin < end) body(context, begin, end);
}
void ragged_backwards(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context) {
  for (int64_t last = end, size = grain; last > begin; size += 7) {
    const int64_t first = std::max(begin, last - size);
    body(context, first, last);
    last = first;
  }
}
int32_t three() { return 3; }

class WithPool {
 public:
  explicit WithPool(decltype(&one_piece) cut) : pool_{sizeof(fl_thread_pool), cut, three} {
    fl_set_thread_pool(&pool_);
  }
  ~WithPool() { fl_set_thread_pool(nullptr); }

 private:
  fl_thread_pool pool_;
};

template <class Make>
void check_pools(const std::string& name, Make make) {
  const auto built_in = make();
  {
    WithPool pool(one_piece);
    EXPECT_EQ(make(), built_in) << name << ", one piece";
  }
  {
    WithPool pool(ragged_backwards);
    EXPECT_EQ(make(), built_in) << name << ", ragged pieces";
  }
}

TEST(Span, threads_do_not_change_an_elementwise_result) {
  const fl_random_span span{11, 16, 1, 150001};
  for (const ElementwiseCall& call : elementwise_calls()) {
    check_pools(call.name, [&] { return call.bytes(nullptr, span); });
  }
}

TEST(Span, threads_do_not_change_a_permutation_or_a_multinomial) {
  check_pools("permutation", [] {
    std::vector<int64_t> out(400003);
    EXPECT_EQ(fl_random_permutation(3, 8, FL_INT64, out.data(), 400003), FL_OK);
    return out;
  });
  const std::vector<float> p(7 * 5000, 0.5f);
  for (int32_t replacement : {0, 1}) {
    for (int64_t rows : {1, 7}) {
      check_pools("multinomial", [&] {
        std::vector<int64_t> out(static_cast<size_t>(rows) * 4999);
        EXPECT_EQ(fl_random_multinomial(3, 8, FL_FLOAT32, p.data(), rows, 5000, 4999, replacement, out.data()), FL_OK);
        return out;
      });
    }
  }
}

TEST(Span, any_piece_equals_that_part_of_the_whole) {
  const fl_random_span whole{5, 4096, 0, 3000};
  for (const ElementwiseCall& call : elementwise_calls()) {
    const std::vector<char> all = call.bytes(nullptr, whole);
    const size_t size = all.size() / 3000;
    for (const auto& [first, count] : {std::pair{0, 1}, {1, 2}, {3, 5}, {511, 2}, {517, 1033}, {2999, 1}, {4, 0}}) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(size) * first;
      EXPECT_EQ(call.bytes(nullptr, {5, 4096, first, count}),
                std::vector<char>(begin, begin + static_cast<std::ptrdiff_t>(size) * count))
          << call.name << " from " << first;
    }
  }
}

// What sharded generation rests on: element k of a call is element 0 of the call whose offset is k further.
TEST(Span, a_piece_equals_a_call_of_its_own_at_the_advanced_offset) {
  for (const ElementwiseCall& call : elementwise_calls()) {
    if (call.name.starts_with("dropout") || call.name.starts_with("rrelu") ||
        call.name.starts_with("bernoulli_tensor")) {
      continue;  // their inputs in calls.h depend on the index
    }
    const int64_t shard = 1004;
    EXPECT_EQ(call.bytes(nullptr, {5, 64, shard, 1000}),
              call.bytes(nullptr, {5, 64 + fl_random_advance(shard), 0, 1000}))
        << call.name;
  }
}

TEST(Span, indices_beyond_32_bits_work) {
  constexpr int64_t kFar = (int64_t{1} << 33) + 5;
  for (const ElementwiseCall& call : elementwise_calls()) {
    const std::vector<char> far = call.bytes(nullptr, {5, 0, kFar, 100});
    const size_t size = far.size() / 100;
    const std::vector<char> farther = call.bytes(nullptr, {5, 0, kFar + 50, 50});
    EXPECT_TRUE(std::equal(farther.begin(), farther.end(), far.begin() + static_cast<std::ptrdiff_t>(50 * size)))
        << call.name;
    if (size >= 4) {
      EXPECT_NE(far, call.bytes(nullptr, {5, 0, kFar - (int64_t{1} << 32), 100})) << call.name;
    }
  }
}

TEST(Span, advance_is_the_count_rounded_up_to_4) {
  EXPECT_EQ(fl_random_advance(0), 0u);
  EXPECT_EQ(fl_random_advance(1), 4u);
  EXPECT_EQ(fl_random_advance(4), 4u);
  EXPECT_EQ(fl_random_advance(5), 8u);
  EXPECT_EQ(fl_random_advance((int64_t{1} << 40) + 1), (uint64_t{1} << 40) + 4);
  EXPECT_EQ(fl_random_multinomial_advance(3, 10, 5, 1), 16u);
  EXPECT_EQ(fl_random_multinomial_advance(3, 10, 5, 0), 32u);
  EXPECT_EQ(fl_random_multinomial_advance(3, 10, 1, 0), 4u);
}

}  // namespace
}  // namespace fl::random::testing
