#!/bin/bash
# nginx with two workers, under load, with a reload in the middle.
# needs: nginx ab curl
mkdir -p www; for i in 1 2 3; do seq 1 $((i * 3000)) >www/$i.txt; done; chmod -R a+rX .
cat >n.conf <<END
daemon off; worker_processes 2; pid $PWD/pid; error_log $PWD/error.log; user root;
events { worker_connections 256; }
http { access_log off; client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3; uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5;
  gzip on; gzip_types text/plain; types { text/plain txt; } server { listen 127.0.0.1:$PORT; root $PWD/www; } }
END
nginx -p "$PWD" -c "$PWD/n.conf" & server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$PORT/1.txt" >/dev/null && break; sleep 0.1; done
ab -q -n 3000 -c 10 "http://127.0.0.1:$PORT/2.txt" 2>&1 | grep -E '^(Complete|Failed|Document Length)'
kill -HUP $server; sleep 0.5
ab -q -k -n 3000 -c 10 -H 'Accept-Encoding: gzip' "http://127.0.0.1:$PORT/3.txt" 2>&1 | grep -E '^(Complete|Failed)'
curl -s "http://127.0.0.1:$PORT/1.txt" | md5sum
curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$PORT/none"
curl -s --compressed "http://127.0.0.1:$PORT/2.txt" | md5sum
kill -QUIT $server; wait $server; echo "status $?"
grep -vE 'notice|signal process' error.log | grep -v 'none' | head
