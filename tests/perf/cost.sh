#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# cost.sh - instructions of libmsg per message on the steady path, by callgrind.
#
#   cost.sh [--check] [--top N] [--broker MSGBROKERD] PROGRAMS
#
# PROGRAMS is the build folder of tests/perf.  Four figures: publish (loan, fill,
# send) and receive (take, release), 64 bytes, batch 1 and 32; the same of a
# reliable topic of which nothing is lost, and beside both frame: what is published in
# frames of a message each, 1 KiB, batch 32; the same of an rc topic, as where there
# are queue pairs; with --broker the four through rings of a broker that serves this
# host alone.  Of an rc topic also what stands between a message and its reader: post,
# from the loan until the link is given the message; view, from the link's word that it
# has come until the view is had; and between the two, on the average, half of wait, a
# take that finds nothing (of eight behind each message).  Counted are libmsg and what
# it calls in the C library; not the null link, not the program around it.  They
# repeat exactly (through a broker almost), so with --check a figure above its
# budget by more than a quarter fails: then either something got slower, or the
# budget below is raised in the same commit that says why.
# --top N prints the N functions that cost most.
set -euo pipefail

# LANE.PATH.BATCH as measured, gcc 12 -O2 and LTO.
declare -A budget=(
	[lane.publish.1]=345 [lane.publish.32]=122
	[lane.receive.1]=677 [lane.receive.32]=103
	[reliable.publish.1]=637 [reliable.publish.32]=131
	[reliable.receive.1]=780 [reliable.receive.32]=106
	[lane.frame.32]=387 [reliable.frame.32]=612
	[rc.publish.1]=922 [rc.publish.32]=144
	[rc.receive.1]=663 [rc.receive.32]=109
	[rc.post.1]=353 [rc.view.1]=537 [rc.wait.1]=198
	[broker.publish.1]=142 [broker.publish.32]=115
	[broker.receive.1]=215 [broker.receive.32]=79)
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
. "$(dirname "$0")/callgrind.sh"
export MSG_MODULE_DIR=$programs/null

failed=0
# Print the figure of one path and batch, beside its budget.
measure() { # measure LANE PATH BATCH
	local each path takes limit=${budget[$1.$2.$3]} verdict='' how=()

	case $1.$2 in *.frame | reliable.* | rc.*) how=("$1") ;; esac
	case $2 in post | view | frame) how+=("$2") ;; esac
	[ "$2" = wait ] && takes=8 || takes=1
	case $2 in frame) path=publish ;; *) path=$2 ;; esac
	each=$(each "cost_$path" '/null(_link|_channel)?\.[ch]:|/perf_cost\]' \
		"$programs/perf_cost" "$3" $count ${how[@]+"${how[@]}"})
	each=$(awk -v e="$each" -v t=$takes 'BEGIN { printf "%.1f", e / t }')
	if awk -v e="$each" -v l="$limit" 'BEGIN { exit !(e > 1.25 * l) }'; then
		verdict=OVER
		failed=1
	fi
	printf '%-7s %-8s %5d %8s %8s %s\n' "$1" "$2" "$3" "$each" "$limit" "$verdict"
	[ "$top" = 0 ] || sort -rn "$work/lines" |
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
measure_all lane
measure_all reliable
for lane in lane reliable; do measure $lane frame 32; done
export NULL_READS=yes # As where there are queue pairs.
measure_all rc
for path in wait post view; do measure rc $path 1; done
unset NULL_READS
if [ -n "$broker" ]; then
	serve "$broker"
	measure_all broker
fi
[ -z "$check" ] || exit $failed
