#!/bin/bash
# sort --parallel, coreutils, find, grep, awk, sed on a few megabytes.
# needs: sort awk find grep
seq 1 400000 | awk '{print ($1 * 7919) % 400009, "line", $1}' >data
sort --parallel=4 -n data | md5sum
sort --parallel=2 -S 2M -T . -k3,3 -r data | md5sum
sort -u -k1,1n data | wc -l; cut -d' ' -f1 data | uniq -d | wc -l
grep -c '77' data; grep -oE '7[0-9]+7$' data | sort | uniq -c | sort -rn | head -3
sed -E 's/([0-9]+) line ([0-9]+)/\2-\1/' data | tail -1
awk '{a[$1 % 1000] += $3} END {for (k in a) n++; print n, a[7]}' data
join <(sort data | head -1000) <(sort data | head -500) | wc -l
find /usr/include -name '*.h' | head -2000 | xargs ls -d | wc -l
split -l 50000 data part. && cat part.* | cmp - data && ls part.* | wc -l
tac data | rev | head -1; shuf -n 5 --random-source=data data | md5sum; factor 1234567890123; sha256sum data; od -c data | tail -1; paste data data | wc -c; tr a-z A-Z <data | comm -3 - data 2>/dev/null | wc -l; ls -la /nonexistent
