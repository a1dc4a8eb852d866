#!/bin/bash
# python3's own tests of sqlite3, with whichever python3 of the caller's PATH has them; else a program of ours alone.
# needs: python3
# timeout: 120
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
has_tests() { "$1" -c 'import test.test_sqlite3' 2>/dev/null; }
python=/usr/bin/python3
has_tests $python || python=$(PATH=$CALLER_PATH python3 -c 'import sys; print(sys.executable)')
if has_tests "$python"; then
    "$python" -m test -W test_sqlite3 >log 2>&1
    echo "status $?"
    grep -E '^(All|Tests r|[0-9]+ tests? |test .* failed|    test_|FAIL|ERROR)' log
    grep -q 'result: SUCCESS' log || tail -150 log
fi
python3 - <<'END'
import sqlite3, threading
db = sqlite3.connect("a.db", check_same_thread=False)
db.execute("create table t(id integer primary key, a text, b blob)")
db.executemany("insert into t(a, b) values (?, ?)", (("x" * (i % 300), bytes(i % 500)) for i in range(20000)))
db.create_function("twice", 1, lambda x: x * 2)
db.create_collation("back", lambda a, b: (a < b) - (a > b))
class Sum:
    def __init__(self): self.n = 0
    def step(self, x): self.n += x
    def finalize(self): return self.n
db.create_aggregate("mysum", 1, Sum)
print(db.execute("select count(*), sum(twice(id)), mysum(length(b)) from t").fetchone())
print([r[0] for r in db.execute("select distinct a from t order by a collate back limit 3")][0][:5])
db.commit(); copy = sqlite3.connect(":memory:"); db.backup(copy); print(copy.execute("select count(*) from t").fetchone())
def read():
    for _ in range(20): sqlite3.connect("a.db").execute("select max(id) from t").fetchall()
threads = [threading.Thread(target=read) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sum(len(line) for line in copy.iterdump()))
END
