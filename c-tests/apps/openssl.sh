#!/bin/bash
# openssl: digests, keys, certificates, encryption, a handshake on the loopback.
# needs: openssl
seq 1 100000 >data
openssl dgst -sha256 data; openssl enc -aes-256-cbc -pbkdf2 -k secret -in data -out e && openssl enc -d -aes-256-cbc -pbkdf2 -k secret -in e | cmp - data && echo same
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost 2>/dev/null && openssl x509 -in cert -noout -subject
openssl s_server -accept "$PORT" -key key -cert cert -www -quiet >/dev/null 2>&1 & server=$!
sleep 1; echo | openssl s_client -connect "127.0.0.1:$PORT" -CAfile cert 2>/dev/null | grep -E 'Verification|^subject'
kill $server; wait $server 2>/dev/null
openssl speed -seconds 1 sha256 >/dev/null 2>&1; echo "speed $?"
openssl ecparam -name prime256v1 -genkey -noout -out ec && openssl ec -in ec -check -noout 2>&1 | grep -i valid
openssl nonsense 2>&1 | head -1
