#!/bin/bash
# php: arrays, strings, regular expressions, json, generators.
# needs: php
php -n -r '
$a = []; for ($i = 0; $i < 100000; $i++) $a["k" . ($i % 5003)][] = $i; echo count($a), "\n";
echo md5(json_encode($a)), "\n"; function g() { for ($i = 0; $i < 1000; $i++) yield $i => str_repeat("x", $i); }
$n = 0; foreach (g() as $k => $v) $n += strlen($v); echo $n, "\n"; echo preg_match_all("/(\d+)-(\w+)/", str_repeat("12-ab ", 5000)), "\n";
$list = range(1, 5); usort($list, fn($x, $y) => $y - $x); echo serialize(array_map(null, [1, 2], ["a", "b"])), "\n"; exit(3);' 2>&1
