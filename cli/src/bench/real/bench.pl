# Words are counted, sorted, split and joined; hashes of arrays grow and go.
use strict;
my ($seed, $sum) = (42, 0);
sub number { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed >> 8 }
for my $round (1 .. 12) {
    my %lines;
    for my $i (1 .. 12000) {
        my $word = 'w' . number() % 5000;
        push @{ $lines{$word} }, join(',', map { 'x' x ($_ % 30) } $i .. $i + 4);
    }
    for my $word (sort keys %lines) {
        my @parts = map { split /,/ } @{ $lines{$word} };
        $sum += length join('', grep { /x{7}/ } @parts);
    }
}
print "$sum\n";
