#!/bin/bash
# lua: tables, strings, coroutines, its own collector.
# needs: lua5.4
lua5.4 -e '
local t = {}
for i = 1, 200000 do t[i] = {i, tostring(i)} end
local n = 0
for _, v in ipairs(t) do n = n + #v[2] end
print(n)
local parts = {}
for i = 1, 20000 do parts[#parts + 1] = string.rep("x", i % 50) end
print(#table.concat(parts))
local co = coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(i * 2) end end)
local s = 0; for _ = 1, 1000 do s = s + co() end print(s)
t = nil; collectgarbage(); print(collectgarbage("count") < 5000)
for i = 1, 500 do local c = coroutine.create(function(a) local b = coroutine.yield(a) return b end); coroutine.resume(c, i) end
print(select("#", string.byte(string.rep("a", 200), 1, -1)))'
