// Items made by many threads and taken in order.
#include "io/importers/ordered_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace convoy {
namespace {

TEST(OrderedPool, HandsOverInOrderWhateverTheThreads) {
  for (const size_t threads : {1, 3, 8}) {
    for (const size_t window : {1, 2, 7}) {
      OrderedPool<int64_t> pool(500, threads, window, [](int64_t index, size_t, int64_t& item) {
        if (index % 5 == 0) std::this_thread::yield();
        item = index * index;
      });
      for (int64_t i = 0; i < 500; ++i) ASSERT_EQ(pool.next(), i * i);
    }
  }
}

TEST(OrderedPool, MakesNoMoreThanTheWindowAhead) {
  std::atomic<int64_t> made{0};
  OrderedPool<int> pool(1000, 4, 6, [&](int64_t, size_t, int&) { ++made; });
  for (int64_t taken = 1; taken <= 100; ++taken) {
    pool.next();
    EXPECT_LE(made, taken + 6);
  }
}

TEST(OrderedPool, AnItemStaysUntilTheNextCall) {
  OrderedPool<int64_t> pool(50, 4, 2, [](int64_t index, size_t, int64_t& item) { item = index; });
  for (int64_t i = 0; i < 50; ++i) {
    const int64_t& item = pool.next();
    for (int k = 0; k < 20; ++k) std::this_thread::yield();
    EXPECT_EQ(item, i);
  }
}

TEST(OrderedPool, TellsThreadsApart) {
  std::vector<std::atomic<int>> inside(3);
  OrderedPool<int> pool(300, 3, 9, [&](int64_t, size_t thread, int& item) {
    item = inside[thread]++;
    std::this_thread::yield();
    --inside[thread];
  });
  for (int i = 0; i < 300; ++i) EXPECT_EQ(pool.next(), 0);
}

TEST(OrderedPool, EndsEarly) {
  OrderedPool<int> none(0, 3, 4, [](int64_t, size_t, int&) {});
  OrderedPool<int> some(1000000, 3, 4, [](int64_t, size_t, int&) {});
  some.next();
}

}  // namespace
}  // namespace convoy
