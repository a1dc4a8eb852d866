# Sourced by the other scripts: the tree, the step runner, the list of what ran.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export CARGO_TERM_COLOR=never
target=${CARGO_TARGET_DIR:-$PWD/target}
rows=() failed=0

# step NAME COMMAND…: runs it, keeps its time and result; a failure does not stop what follows.
step() {
    local name=$1 start=$SECONDS result=ok
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" || { result=FAILED failed=1; }
    rows+=("$(printf '%-22s %-7s %5d s' "$name" "$result" $((SECONDS - start)))")
}

# The list of the steps; the script's exit status.
finish() {
    printf '\n== what ran\n'
    printf '%s\n' "${rows[@]}"
    printf 'total %d s\n' "$SECONDS"
    return "$failed"
}

# c_program SOURCE: compiles one program of ours as an old program would be, prints its path.
c_program() {
    local exe=$target/c-tests/$(basename "$1" .c)
    mkdir -p "$target/c-tests"
    [ "$exe" -nt "$1" ] || gcc -O2 -g -fno-builtin -D_GNU_SOURCE -w -Ic-tests/include "$1" -o "$exe" -pthread -ldl || return 1
    echo "$exe"
}
