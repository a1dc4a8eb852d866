#!/bin/bash
# python3's own tests of subprocesses.
# needs: python3
# timeout: 240
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
python3 -m test -W test_subprocess >log 2>&1
echo "status $?"
grep -E '^(All|Tests r|[0-9]+ tests? |test .* failed|    test_|FAIL|ERROR)' log
grep -q 'result: SUCCESS' log || tail -150 log
