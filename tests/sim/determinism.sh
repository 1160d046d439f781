#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# determinism.sh MSG_SIM - one seed is one story: twice in a process, in two
# processes, and to the last byte of the trace.  Two seeds are two.
set -euo pipefail
export LC_ALL=C

sim=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$sim" --seeds 60 --messages 500 --twice

for kind in $("$sim" --list | cut -d ' ' -f 1); do
	for try in 1 2; do
		# Memory is somewhere else each time, and holds something else.
		MALLOC_PERTURB_=$((try * 85)) "$sim" --seed 11 --messages 300 \
			--scenario "$kind" --trace >"$work/$try"
	done
	cmp "$work/1" "$work/2"
	cat "$work/1" >>"$work/all"
done
echo "$(wc -l <"$work/all") lines of traces, the same in two processes"

"$sim" --seed 12 --messages 300 --scenario storm --trace >"$work/2"
if cmp -s "$work/1" "$work/2"; then
	echo "FAIL: two seeds, one story"
	exit 1
fi
