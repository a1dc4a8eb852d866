#!/bin/bash
# Hundreds of short processes from dash: forks, pipes, exec.
# needs: dash bc
dash -c 'i=0; while [ $i -lt 150 ]; do x=$(echo $i | cat | cat); [ "$x" = $i ] || echo wrong; i=$((i + 1)); done; echo $i'
echo 'scale=200; 4*a(1)' | bc -l | md5sum
env -i LD_PRELOAD="$LD_PRELOAD" GLEANER="$GLEANER" /usr/bin/env true; echo "status $?"
(ulimit -v 200000; dash -c 'echo little memory')
