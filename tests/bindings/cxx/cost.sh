#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# cost.sh - msg.hpp costs what C costs: instructions per message, by callgrind.
#
#   cost.sh [--broker MSGBROKERD] COST MODULES
#
# COST is the program of cost.cpp, MODULES the folder of the null link of
# tests/perf.  For publish and take with release, batch 1 and 32, the loop in C++
# may take at most a twentieth more than the same loop in C beside it.  Counted
# are libmsg, what it calls in the C library, and the loops; not the null link.
# The counts repeat exactly (through a broker almost).
set -euo pipefail

count=3200 broker=''
if [ "${1:-}" = --broker ]; then
	broker=$2
	shift 2
fi
program=$1
export MSG_MODULE_DIR=$2
command -v valgrind >/dev/null || { echo 'SKIP cost: no valgrind'; exit 77; }
work=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# instructions c|cxx PATH BATCH: per message.
instructions() {
	valgrind --tool=callgrind --collect-atstart=no \
		--toggle-collect="cost_$1_$2*" --callgrind-out-file="$work/out" \
		"$program" "$1" "$3" $count >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; exit 1; }
	# Lines of a function in line elsewhere name no object, so all lines are
	# summed up, but for the null link's.
	callgrind_annotate --auto=no --threshold=100 "$work/out" |
		sed -nE 's/^ *([0-9,]+) \([^)]*\) +(.*)$/\1 \2/p' |
		awk -v n=$count '{ gsub(",", "", $1) }
			/PROGRAM TOTALS/ { sum += $1 }
			/null_link\.c:/ { sum -= $1 }
			END { printf "%.1f", sum / n }'
}

failed=0
measure_all() { # measure_all LANE
	local path batch c cxx verdict

	for path in publish receive; do
		for batch in 1 32; do
			c=$(instructions c $path $batch)
			cxx=$(instructions cxx $path $batch)
			verdict=$(awk -v c="$c" -v x="$cxx" 'BEGIN {
				if (c < 20 || x < 20) print "NOTHING COUNTED"
				else if (x > 1.05 * c) print "OVER" }')
			[ -z "$verdict" ] || failed=1
			printf '%-7s %-8s %5d %8s %8s %6.1f %% %s\n' "$1" \
				"$path" "$batch" "$c" "$cxx" "$(awk -v c="$c" \
				-v x="$cxx" 'BEGIN { print 100 * (x / c - 1) }')" \
				"$verdict"
		done
	done
}

printf '%-7s %-8s %5s %8s %8s %8s\n' through path batch C C++ more
export MSG_BROKER_POLICY=never
measure_all lane
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
exit $failed
