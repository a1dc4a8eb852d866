// The header compiles in strict C++17, and without the library each call does nothing and says so.
// flags: -std=c++17 -pedantic -Werror
#include "absent.c"
