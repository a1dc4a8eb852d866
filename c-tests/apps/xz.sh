#!/bin/bash
# xz -T2, gzip, bzip2 and zstd pack and unpack 20 MB.
# needs: xz gzip bzip2
seq 1 2500000 >data
xz -T2 -1 -k --block-size=1MiB data && xz -T2 -dc data.xz | cmp - data && echo xz
gzip -1 <data | gzip -d | cmp - data && echo gzip
head -c 5000000 data | bzip2 -1 | bzip2 -d | md5sum
xz -t data.xz; echo broken | xz -d; echo "status $?"
