#!/bin/bash
# vim in ex mode edits a file by script.
# needs: vim
seq 1 5000 >f
vim -es -u NONE -N f -c '%s/7/seven/g' -c 'g/99$/d' -c 'sort! n' -c 'call setline(1, map(range(10), "v:val * 2"))' -c 'wq' </dev/null
echo "status $?"; md5sum <f; wc -l <f
