#!/bin/bash
# python3's own tests of the collector, json, dict, zlib and ctypes, all memory through malloc.
# needs: python3
# timeout: 180
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
python3 -m test -W test_gc test_json test_dict test_zlib test_ctypes >log 2>&1
echo "status $?"
grep -E '^(All|Tests r|[0-9]+ tests? |test .* failed|    test_|FAIL|ERROR)' log
grep -q 'result: SUCCESS' log || tail -150 log
