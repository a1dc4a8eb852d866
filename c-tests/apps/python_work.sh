#!/bin/bash
# A python3 program with threads, processes, regular expressions, pickles and a socket.
# needs: python3
export PYTHONMALLOC=malloc PYTHONHASHSEED=0
cat >work.py <<'END'
import concurrent.futures as cf, hashlib, multiprocessing, pickle, re, socket, threading, json, decimal, gc
def heavy(n):
    table = {str(i): [i] * 5 for i in range(n)}
    return hashlib.sha1(json.dumps(table, sort_keys=True).encode()).hexdigest()
def main():
    with cf.ThreadPoolExecutor(4) as pool: print(*pool.map(heavy, [1000, 5000, 9000, 2000]))
    with multiprocessing.get_context("fork").Pool(2) as pool: print(*pool.map(heavy, [1000, 5000]))
    with multiprocessing.get_context("spawn").Pool(2) as pool: print(*pool.map(heavy, [1000, 5000]))
    a, b = socket.socketpair()
    def echo():
        while data := b.recv(1000): b.sendall(data.upper())
    t = threading.Thread(target=echo); t.start()
    for i in range(200): a.sendall(b"hello %d" % i); a.recv(1000)
    a.shutdown(socket.SHUT_WR); t.join()
    data = pickle.dumps([{"n": i, "s": "x" * i} for i in range(1000)])
    print(len(data), len(pickle.loads(data)))
    print(len(re.findall(r"(\w+)@(\w+)\.com", "joe@mail.com, " * 5000)))
    decimal.getcontext().prec = 500
    print(decimal.Decimal(2).sqrt())
    class Node: pass
    for _ in range(20000):
        x, y = Node(), Node(); x.other, y.other = y, x
    print(gc.collect() >= 0)
if __name__ == "__main__": main()
END
python3 work.py
