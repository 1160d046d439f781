#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh - fuzz for real: build the targets with clang and run each in turn.
#
#     tests/fuzz/run.sh [--runs N] [--seconds N] [TARGET...]
#
# Stops a target after N executions or N seconds, whichever comes first; 60
# seconds without either.  The long tier is --runs 10000000.  New inputs go to
# build/fuzz/corpus/TARGET and never into the tree; a crash is written to
# build/fuzz and ends the script with 1.  CC chooses the clang.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/fuzz
runs=-1
seconds=0

while [ $# -gt 0 ]; do
	case $1 in
	--runs) runs=$2; shift 2 ;;
	--seconds) seconds=$2; shift 2 ;;
	-*) echo "usage: $0 [--runs N] [--seconds N] [TARGET...]" >&2; exit 2 ;;
	*) break ;;
	esac
done
[ "$runs" -ge 0 ] || [ "$seconds" -gt 0 ] || seconds=60
[ $# -gt 0 ] || set -- frame report recover announce control ring schema broker mcap

compiler=${CC:-}
for candidate in clang clang-14 clang-15 clang-16 clang-19; do
	[ -n "$compiler" ] || compiler=$(command -v "$candidate") || true
done
if [ -z "$compiler" ]; then
	echo "SKIP fuzz: no clang here" >&2
	exit 77
fi

CC=$compiler cmake -S "$root" -B "$build" -G Ninja -DMSG_FUZZ=ON \
	-DMSG_EXAMPLES=OFF >/dev/null
for target in "$@"; do
	cmake --build "$build" -j2 --target "fuzz_$target" >/dev/null
done
for target in "$@"; do
	mkdir -p "$build/corpus/$target"
	echo "fuzz_$target: runs $runs, seconds $seconds"
	"$build/tests/fuzz/fuzz_$target" -runs="$runs" \
		-max_total_time="$seconds" -max_len=1024 -timeout=10 \
		-print_final_stats=1 -verbosity=0 \
		-artifact_prefix="$build/$target-" \
		"$build/corpus/$target" "$root/tests/fuzz/corpus/$target"
done
