#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# cost.sh - msg.hpp costs what C costs: instructions per message, by callgrind.
#
#   cost.sh [--broker MSGBROKERD] COST MODULES
#
# COST is the program of cost.cpp, MODULES the folder of the null link of
# tests/perf.  For publish and take with release, batch 1 and 32, the loop in C++,
# with structs of a type or without, may take at most a twentieth more than the
# same loop in C beside it.  Counted
# are libmsg, what it calls in the C library, and the loops; not the null link.
# The counts repeat exactly (through a broker almost).
set -euo pipefail

broker=''
if [ "${1:-}" = --broker ]; then
	broker=$2
	shift 2
fi
program=$1
export MSG_MODULE_DIR=$2
. "$(dirname "$0")/../../perf/callgrind.sh"

# instructions c|cxx|typed PATH BATCH: per message.
instructions() {
	each "cost_$1_$2*" '/null_link\.c:' "$program" "$1" "$3" $count
}

failed=0
measure_all() { # measure_all LANE
	local path batch c cxx typed verdict

	for path in publish receive; do
		for batch in 1 32; do
			c=$(instructions c $path $batch)
			cxx=$(instructions cxx $path $batch)
			typed=$(instructions typed $path $batch)
			verdict=$(awk -v c="$c" -v x="$cxx" -v t="$typed" 'BEGIN {
				if (c < 20 || x < 20 || t < 20) print "NOTHING COUNTED"
				else if (x > 1.05 * c || t > 1.05 * c) print "OVER" }')
			[ -z "$verdict" ] || failed=1
			awk -v c="$c" -v x="$cxx" -v t="$typed" -v what="$(printf \
				'%-7s %-8s %5d' "$1" "$path" "$batch")" \
				-v verdict="$verdict" 'BEGIN {
				printf "%s %8s %8s %6.1f %% %8s %6.1f %% %s\n",
					what, c, x, 100 * (x / c - 1),
					t, 100 * (t / c - 1), verdict }'
		done
	done
}

printf '%-7s %-8s %5s %8s %8s %8s %8s %8s\n' through path batch C C++ more \
	typed more
export MSG_BROKER_POLICY=never
measure_all lane
if [ -n "$broker" ]; then
	serve "$broker"
	measure_all broker
fi
exit $failed
