#!/bin/bash
# bash: subshells, pipes, arrays, here-documents, traps, functions, jobs and process substitution.
declare -A table
for i in $(seq 1 500); do table[key$i]=$((i * i)); done
echo "${#table[@]} ${table[key77]}"
list=()
for i in {1..2000}; do list+=("item $i of many"); done
echo "${#list[@]} ${list[1234]}"
total=0
while read -r n; do ((total += n)); done < <(seq 1 3000 | awk '{print $1 * 2}')
echo "$total"
(cd /; pwd; (exit 7); echo "$?")
for i in 1 2 3 4 5 6 7 8; do (for k in {1..200}; do x="$x$k"; done; echo "sub $i ${#x}") & done | sort
wait
cat <<END | tr a-z A-Z | rev
here $(echo nested $(echo deeper $(echo deepest)))
END
f() { local n=$1; ((n == 0)) && return; echo -n "$n "; f $((n - 1)); }
f 60; echo
trap 'echo leaving' EXIT
s=$(printf 'x%.0s' {1..20000}); echo "${#s} ${s//x/yy}" | md5sum
[[ "abc123def" =~ ([a-z]+)([0-9]+) ]] && echo "${BASH_REMATCH[@]}"
mapfile -t lines < <(for i in {1..300}; do echo "$RANDOM" >/dev/null; echo "line $i"; done); echo "${lines[299]}"
coproc CAT { cat; }
echo through >&"${CAT[1]}"; read -r back <&"${CAT[0]}"; echo "$back"; exec {CAT[1]}>&-
wait
nosuchcommand_here
exit 3
