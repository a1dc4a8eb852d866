#!/bin/bash
# curl against a server on the loopback: many URLs over one connection, parallel transfers, an error.
# needs: curl python3
mkdir www; for i in $(seq 1 30); do seq 1 $((i * 100)) >www/$i; done
(cd www && exec python3 -m http.server --bind 127.0.0.1 "$PORT" >/dev/null 2>&1) & server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$PORT/1" >/dev/null && break; sleep 0.1; done
curl -s "http://127.0.0.1:$PORT/[1-30]" | md5sum
curl -s --no-progress-meter --parallel --parallel-max 5 -o 'got#1' "http://127.0.0.1:$PORT/{1,2,3,4,5,6,7,8}"; cat got[1-8] | md5sum
curl --no-progress-meter -f "http://127.0.0.1:$PORT/none"; echo "status $?"
kill $server; wait $server 2>/dev/null; curl -s "http://127.0.0.1:$PORT/1"; echo "status $?"
