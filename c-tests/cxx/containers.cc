// The standard containers, exceptions and threads at work.
// flags: -pthread
#include "check.h"
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

static size_t work(int seed) {
    std::map<int, std::string> tree;
    std::unordered_map<std::string, std::vector<int>> table;
    for (int i = 0; i < 5000; i++) {
        tree[(i * 7919 + seed) % 4001] = std::string(i % 90, char('a' + i % 26));
        table[std::to_string(i % 300)].push_back(i);
    }
    size_t thrown = 0;
    for (int i = 0; i < 200; i++) try {
        throw std::runtime_error(std::string(100, 'e'));
    } catch (const std::exception &e) {
        thrown += strlen(e.what());
    }
    size_t sum = tree.size() + thrown;
    for (auto &entry : table) sum += entry.second.size();
    return sum;
}

int main() {
    std::vector<std::thread> threads;
    std::vector<size_t> sums(4);
    for (int i = 0; i < 4; i++) threads.emplace_back([&sums, i] { sums[i] = work(i); });
    for (auto &thread : threads) thread.join();
    for (size_t sum : sums) CHECK(sum == 4001 + 20000 + 5000);
    auto shared = std::make_shared<std::vector<std::unique_ptr<int>>>();
    for (int i = 0; i < 1000; i++) shared->push_back(std::make_unique<int>(i));
    CHECK(*shared->at(999) == 999);
}
