#!/bin/bash
# redis-server under redis-benchmark, with BGSAVE, a restart from the file, Lua, and expiry.
# needs: redis-server redis-cli redis-benchmark
# timeout: 90
start() { redis-server --port "$PORT" --dir "$PWD" --save '' --appendonly no >server.log 2>&1 & server=$!
    for _ in $(seq 100); do redis-cli -p "$PORT" ping >/dev/null 2>&1 && return; sleep 0.1; done; echo no server; cat server.log; }
cli() { redis-cli -p "$PORT" "$@"; }
start
redis-benchmark -p "$PORT" -q -n 20000 -c 20 -t set,get,incr,lpush,rpop,sadd,hset,zadd,mset >/dev/null; echo "benchmark $?"
for i in $(seq 1 50); do echo "SET key$i value$i"; echo "HSET hash f$i $i"; echo "RPUSH list $i"; done | cli >/dev/null
cli eval 'local s = 0; for i = 1, 10000 do redis.call("set", "lua" .. i, string.rep("x", i % 100)); s = s + i end; return s' 0
cli dbsize; cli hget hash f33; cli lrange list 10 12
cli bgsave >/dev/null
for _ in $(seq 100); do cli info persistence | grep -q rdb_bgsave_in_progress:0 && break; sleep 0.1; done
cli info persistence | tr -d '\r' | grep rdb_last_bgsave_status
redis-benchmark -p "$PORT" -q -n 5000 -P 16 -d 2000 -r 5000 -t set,get >/dev/null; echo "benchmark $?"
cli flushall async; cli dbsize
cli shutdown nosave; wait "$server"; echo "server $?"
start; cli dbsize; cli get key50; cli shutdown nosave; wait "$server"; echo "server $?"
