#!/bin/bash
# javac compiles and java runs a program with threads, collections, and a garbage collector of its own.
# needs: java javac
# timeout: 120
cat >A.java <<'END'
import java.util.*; import java.util.concurrent.*; import java.util.zip.*;
public class A {
  static int work(int n) { Map<String, List<Integer>> m = new HashMap<>(); for (int i = 0; i < 200000; i++) m.computeIfAbsent("k" + i % (n * 100 + 1), k -> new ArrayList<>()).add(i); return m.size(); }
  public static void main(String[] a) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4); List<Future<Integer>> f = new ArrayList<>();
    for (int i = 1; i <= 8; i++) { final int n = i; f.add(pool.submit(() -> work(n))); }
    for (Future<Integer> x : f) System.out.println(x.get());
    pool.shutdown(); CRC32 c = new CRC32(); byte[] garbage = null;
    for (int i = 0; i < 2000; i++) { garbage = new byte[100000]; c.update(garbage, 0, 100); }
    System.out.println(c.getValue());
    Deflater d = new Deflater(); d.setInput(new byte[100000]); d.finish(); System.out.println(d.deflate(new byte[1000])); d.end();
    Thread[] t = new Thread[50]; for (int i = 0; i < 50; i++) { t[i] = new Thread(() -> work(1)); } for (int i = 0; i < 10; i++) { t[i].start(); t[i].join(); }
    System.gc(); System.err.println("to stderr"); System.exit(6); } }
END
javac A.java && java -Xmx256m -cp . A
