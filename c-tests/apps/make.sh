#!/bin/bash
# make -j2 with 40 rules, some of which fail.
# needs: make gcc
{
    echo 'all: $(foreach i,1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20,o$(i)) link'
    echo 'o%: ; @echo "int f$*(void) { return $*; }" | gcc -c -xc -o $@ -'
    echo 'link: $(foreach i,1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20,o$(i)) ; @ld -r -o $@ $^ && nm $@ | grep -c " T "'
    echo 'bad: ; @false'
    echo 'VAR := $(shell seq 1 500)'
    echo 'sum: ; @echo $(words $(VAR)) $(lastword $(sort $(VAR)))'
} >Makefile
make -j2 && make -j2 && make sum
make -k bad sum
echo "status $?"
