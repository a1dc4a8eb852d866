#!/bin/bash
# ruby: hashes, threads, fibers, its own conservative collector.
# needs: ruby
ruby --disable-gems -e '
h = Hash.new { |x, k| x[k] = [] }; 200_000.times { |i| h["k#{i % 5003}"] << i }; puts h.size
puts 4.times.map { |n| Thread.new { (1..20000).map { |i| i.to_s * 3 }.join.size } }.map(&:value).inspect
f = Fiber.new { 1000.times { |i| Fiber.yield i }; nil }; s = 0; while (v = f.resume) do s += v end; puts s
200.times { Fiber.new { Fiber.yield "x" * 1000 }.resume }; GC.start; puts GC.count > 0
puts ("abc" * 10000).scan(/b/).size; pid = fork { exit 7 }; Process.wait pid; puts $?.exitstatus; warn "err"; exit 2'
