#!/bin/bash
# gdb in batch: breakpoints, a backtrace, threads, its own Python; the program under it is preloaded too.
# needs: gdb gcc
# normalise: s/0x[0-9a-f]+/0xN/g; s/LWP [0-9]+/LWP N/g; s/process [0-9]+/process N/g
# timeout: 60
cat >a.c <<'END'
#include <pthread.h>
#include <stdlib.h>
static void *work(void *p) { return malloc(10); }
int descend_here(int n) { free(malloc(5)); return n ? descend_here(n - 1) + 1 : 0; }
int main(void) { pthread_t t; void *r; pthread_create(&t, 0, work, 0); pthread_join(t, &r); free(r); return descend_here(3) + 2; }
END
gcc -g -w -pthread -o a a.c
gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'set pagination off' -ex 'break descend_here if n == 0' -ex run -ex 'bt 3' -ex 'info locals' -ex 'print $_siginfo' -ex continue \
    -ex 'python print(sum(range(1000)))' -ex 'info symbol main' -ex 'ptype struct nothing' ./a 2>&1 | grep -vE 'debugging using libthread_db|host libthread_db|^\[(New|Thread|Inferior)|^$|warning:'
