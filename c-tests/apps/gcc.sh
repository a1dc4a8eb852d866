#!/bin/bash
# gcc and g++ compile, optimise, link and run.
# needs: gcc g++
cat >a.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int cmp(const void *a, const void *b) { return *(int *)a - *(int *)b; }
int main(void) { int x[1000]; for (int i = 0; i < 1000; i++) x[i] = (i * 7919) % 1009; qsort(x, 1000, 4, cmp); printf("%d %d\n", x[0], x[999]); }
END
gcc -O3 -g -Wall -flto -o a a.c && ./a
cat >b.cc <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>
int main() { std::map<std::string, std::vector<int>> m; for (int i = 0; i < 10000; i++) m[std::to_string(i % 99)].push_back(i);
 int n = 0; for (auto &e : m) n += e.first[0] == '9' && e.first.size() == 2; std::cout << m.size() << ' ' << n << '\n'; }
END
g++ -O2 -g -o b b.cc && ./b
gcc -c -o /dev/null -xc - <<<'int f( { return 1; }'
echo "status $?"
gcc -S -O2 -o - a.c | grep -c call
