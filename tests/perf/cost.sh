#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# cost.sh - instructions of libmsg per message on the steady path, by callgrind.
#
#   cost.sh [--check] [--top N] [--broker MSGBROKERD] PROGRAMS
#
# PROGRAMS is the build folder of tests/perf.  Four figures: publish (loan, fill,
# send) and receive (take, release), 64 bytes, batch 1 and 32; the same of a
# reliable topic of which nothing is lost; with --broker the same four through rings of a broker that serves this host alone.  Counted are
# libmsg and what it calls in the C library; not the null link, not the program
# around it.  They repeat exactly (through a broker almost), so with --check a
# figure above its budget by more than a quarter fails: then either something
# got slower, or the budget below is raised in the same commit that says why.
# --top N prints the N functions that cost most.
set -euo pipefail

# LANE.PATH.BATCH as measured, gcc 12 -O2 and LTO.
declare -A budget=(
	[lane.publish.1]=341 [lane.publish.32]=122
	[lane.receive.1]=726 [lane.receive.32]=103
	[reliable.publish.1]=639 [reliable.publish.32]=133
	[reliable.receive.1]=812 [reliable.receive.32]=105
	[broker.publish.1]=142 [broker.publish.32]=115
	[broker.receive.1]=213 [broker.receive.32]=78)
count=3200
check='' top=0 broker=''
usage='usage: cost.sh [--check] [--top N] [--broker MSGBROKERD] PROGRAMS'
while [ $# -gt 1 ]; do
	case $1 in
	--check) check=yes; shift ;;
	--top) top=$2; shift 2 ;;
	--broker) broker=$2; shift 2 ;;
	*) echo "$usage" >&2; exit 2 ;;
	esac
done
programs=${1:?is missing: the build folder of tests/perf}
command -v valgrind >/dev/null || { echo "SKIP: no valgrind"; exit 77; }
work=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT
export MSG_MODULE_DIR=$programs/null

# One line a function and file: instructions, file:function, object.  What was
# inlined from a header has a line of its own, without an object, and counts.
functions() { # functions FILE
	callgrind_annotate --auto=no --threshold=100 "$1" |
		sed -nE 's/^ *([0-9,]+) \([^)]*\) +([^ ]+:.*)$/\1 \2/p' |
		awk '{ gsub(",", "", $1); print }'
}

failed=0
# Print the figure of one path and batch, beside its budget.
measure() { # measure LANE PATH BATCH
	local each limit=${budget[$1.$2.$3]} verdict='' how=()

	[ "$1" != reliable ] || how=(reliable)

	valgrind --tool=callgrind --collect-atstart=no \
		--toggle-collect="cost_$2" \
		--callgrind-out-file="$work/out" \
		"$programs/perf_cost" "$3" $count \
		${how[@]+"${how[@]}"} >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; exit 1; }
	functions "$work/out" |
		grep -vE '/null/libmsg-fabric\.so|/perf_cost\]|:(null|cost)_[a-z_]*$' \
			>"$work/ours"
	each=$(awk -v n=$count '{ sum += $1 } END { printf "%.1f", sum / n }' "$work/ours")
	if awk -v e="$each" -v l="$limit" 'BEGIN { exit !(e > 1.25 * l) }'; then
		verdict=OVER
		failed=1
	fi
	printf '%-7s %-8s %5d %8s %8s %s\n' "$1" "$2" "$3" "$each" "$limit" "$verdict"
	[ "$top" = 0 ] || sort -rn "$work/ours" |
		awk -v n=$count -v top="$top" 'NR <= top { name = $2; sub(".*:", "", name)
			printf "    %8.1f  %s\n", $1 / n, name }'
}

measure_all() { # measure_all LANE
	local path batch

	for path in publish receive; do
		for batch in 1 32; do
			measure "$1" "$path" "$batch"
		done
	done
}

printf '%-7s %-8s %5s %8s %8s\n' through path batch instr. budget
export MSG_BROKER_POLICY=never
measure_all lane
measure_all reliable
if [ -n "$broker" ]; then
	: >"$work/empty.conf"
	"$broker" --config "$work/empty.conf" --no-network \
		--socket "$work/broker.sock" 2>"$work/broker" &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q 'info: started:' "$work/broker" || break
		sleep 0.1
	done
	export MSG_BROKER_POLICY=require MSG_BROKER=$work/broker.sock
	measure_all broker
fi
[ -z "$check" ] || exit $failed
