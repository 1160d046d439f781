#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# coverage.sh - how much of core and parsers the tests reach.
#
#     coverage.sh [--show]
#
# Builds into build/coverage with a clang that knows MC/DC, runs the unit tests
# of those rooms and what fuzzing ever found, and prints a line a file: lines,
# branches and MC/DC that were reached, of how many.  --show prints each branch
# and decision that was not reached, too.  Below what it must be in any file is
# exit status 1; without such a clang 77.  Assertions are not counted.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build/coverage
programs='frame greeting pack fragment large sequence pace question flow_limit
	report recover repair shelf golden announce control'
replays='frame report recover announce control'

show=''
case ${1:-} in
'') ;;
--show) show=--show ;;
*) echo 'usage: coverage.sh [--show]' >&2; exit 2 ;;
esac

version=''
for candidate in 22 21 20 19 18; do
	[ -n "$version" ] || ! command -v "llvm-cov-$candidate" "clang-$candidate" \
		>/dev/null || version=$candidate
done
if [ -z "$version" ]; then
	echo 'SKIP coverage: no clang and llvm-cov of version 18 or later' \
		'(clang-19, llvm-19)'
	exit 77
fi

targets=()
for name in $programs; do targets+=("test_$name"); done
for name in $replays; do targets+=("fuzz_$name"); done
mkdir -p "$build"
if ! { cmake -S "$root" -B "$build" -G Ninja -DMSG_COVERAGE=ON \
	-DMSG_EXAMPLES=OFF -DCMAKE_C_COMPILER="clang-$version" \
	-DCMAKE_BUILD_TYPE=Debug &&
	ninja -C "$build" "${targets[@]}"; } >"$build.log" 2>&1; then
	tail -n 40 "$build.log" >&2
	exit 1
fi

# Each program, and each child that Check forks, adds to the same counters.
export LLVM_PROFILE_FILE=$build/counters/%4m.profraw
export LSAN_OPTIONS=detect_leaks=0
rm -rf "$build/counters"
binaries=()
run() { # run PROGRAM [ARGUMENT...]
	"$@" >"$build/run.log" 2>&1 || {
		tail -n 20 "$build/run.log" >&2
		echo "coverage: $1 failed" >&2
		exit 1
	}
	binaries+=(${binaries[0]:+-object} "$1")
}
while read -r program; do
	case ${program##*/} in
	fuzz_*) run "$program" "$root/tests/fuzz/corpus/${program##*/fuzz_}" ;;
	*) run "$program" ;;
	esac
done < <(for name in "${targets[@]}"; do
	find "$build/tests" -type f -name "$name" -perm -u+x
done)

"llvm-profdata-$version" merge -o "$build/counters/all" "$build"/counters/*.profraw
files=("$root"/libmsg/protocol/*.c "$root/libmsg/topic/announce.c"
	"$root"/libmsg/link/shm/control{,_pack,_unpack}.c)
"llvm-cov-$version" export -instr-profile="$build/counters/all" \
	"${binaries[@]}" "${files[@]}" >"$build/counts.json"
python3 "$root/tests/coverage/count.py" $show "$build/counts.json" "$root/libmsg"
