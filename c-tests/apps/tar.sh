#!/bin/bash
# tar: 500 files with long names, compressed through a pipe, listed, compared, extracted.
# needs: tar gzip
mkdir in; for i in $(seq 1 500); do echo "content $i" >"in/$(printf 'n%.0s' {1..120})$i"; done
ln -s target in/link; mkdir in/deep; ln in/link in/deep/hard 2>/dev/null
tar czf a.tgz in && tar tzf a.tgz | wc -l && tar dzf a.tgz && mkdir out && tar xzf a.tgz -C out && diff -r in out/in && echo same
tar xf /nonexistent; echo "status $?"
