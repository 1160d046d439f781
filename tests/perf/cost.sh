#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# cost.sh - instructions of libmsg per message on the steady path, by callgrind.
#
#   cost.sh [--check] [--top N] PROGRAMS
#
# PROGRAMS is the build folder of tests/perf.  Four figures: publish (loan, fill,
# send) and receive (take, release), 64 bytes, batch 1 and 32.  Counted are
# libmsg and what it calls in the C library; not the null link, not the program
# around it.  They repeat exactly, so with --check a figure above its budget by
# more than a quarter fails: then either something got slower, or the budget
# below is raised in the same commit that says why.  --top N prints the N
# functions that cost most.
set -euo pipefail

# publish 1, publish 32, receive 1, receive 32: as measured, gcc 12 -O2 and LTO.
declare -A budget=([publish.1]=268 [publish.32]=93 [receive.1]=690 [receive.32]=66)
count=3200
check='' top=0
while [ $# -gt 1 ]; do
	case $1 in
	--check) check=yes; shift ;;
	--top) top=$2; shift 2 ;;
	*) echo "usage: cost.sh [--check] [--top N] PROGRAMS" >&2; exit 2 ;;
	esac
done
programs=${1:?is missing: the build folder of tests/perf}
command -v valgrind >/dev/null || { echo "SKIP: no valgrind"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MSG_MODULE_DIR=$programs/null

# One line a function: instructions, name, object.
functions() { # functions FILE
	callgrind_annotate --auto=no --threshold=100 "$1" |
		sed -nE 's/^ *([0-9,]+) \([^)]*\) +(.*)$/\1 \2/p' |
		awk '{ gsub(",", "", $1) } /\[/ { print }'
}

failed=0
printf '%-8s %5s %8s %8s\n' path batch instr. budget
for path in publish receive; do
	for batch in 1 32; do
		valgrind --tool=callgrind --collect-atstart=no \
			--toggle-collect="cost_$path" \
			--callgrind-out-file="$work/out" \
			"$programs/perf_cost" $batch $count >"$work/log" 2>&1 ||
			{ cat "$work/log" >&2; exit 1; }
		functions "$work/out" |
			grep -v -e '/null/libmsg-fabric.so' -e '/perf_cost\]' \
				>"$work/ours"
		each=$(awk -v n=$count '{ sum += $1 } END { printf "%.1f", sum / n }' "$work/ours")
		limit=${budget[$path.$batch]}
		verdict=''
		if awk -v e="$each" -v l="$limit" 'BEGIN { exit !(e > 1.25 * l) }'; then
			verdict=OVER
			failed=1
		fi
		printf '%-8s %5d %8s %8s %s\n' $path $batch "$each" "$limit" "$verdict"
		[ "$top" = 0 ] || sort -rn "$work/ours" | head -"$top" |
			awk -v n=$count '{ name = $2; sub(".*:", "", name)
				printf "    %8.1f  %s\n", $1 / n, name }'
	done
done
[ -z "$check" ] || exit $failed
