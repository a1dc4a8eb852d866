// The lambda of a std::thread loses an array.
// flags: -pthread
// leak: operator() @here 400 1 direct
#include "plant.h"
#include <thread>

int main() {
    std::thread t([] {
        volatile char *p = new char[400]; /* @here */
        *p = 1;
    });
    t.join();
    scrub();
}
