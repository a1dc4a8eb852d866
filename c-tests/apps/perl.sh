#!/bin/bash
# perl: hashes, sorting, regular expressions, forks, closures and a big string.
# needs: perl
perl -e '
use strict; use warnings;
my %h; $h{$_ % 5003} .= chr(97 + $_ % 26) for 1 .. 200000;
print scalar(keys %h), " ", length(join "", map { $h{$_} } sort { $a <=> $b } keys %h), "\n";
my @list = sort { $b <=> $a } map { ($_ * 7919) % 100003 } 1 .. 50000; print "$list[0] $list[-1]\n";
my $text = "the quick brown fox " x 5000; my $n = () = $text =~ /(\w+)\s+fox/g; print "$n\n";
my @subs = map { my $x = $_; sub { $x * shift } } 1 .. 1000; print $subs[99]->(3), "\n";
for my $i (1 .. 5) { my $pid = fork // die; if (!$pid) { my @x = (1) x 10000; exit $i } waitpid $pid, 0; print $? >> 8, " " }
print "\n"; my $s = ""; $s .= "abc" x 100 for 1 .. 5000; print length $s, "\n";
print `echo from a child`; warn "to stderr\n"; exit 4'
