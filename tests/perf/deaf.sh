#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# deaf.sh - a deaf subscriber costs its neighbour nothing: the demonstration.
#
# One publisher multicasts on loopback, two subscribers sit behind one broker,
# and one of them is stopped, or killed, for some seconds.  deaf.h says what is
# run, deaf.c how it is judged.
set -euo pipefail
LC_ALL=C
export LC_ALL
# shellcheck source=tests/perf/broker.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker.sh"

usage() {
	cat <<'HELP'
usage: tests/perf/deaf.sh [OPTION...]

Show what a deaf subscriber does to its neighbour behind the same broker: 5000
messages of 1 KiB a second by multicast on loopback, one of two subscribers
stopped (SIGSTOP), in another run killed (SIGKILL), for 8 seconds.

  --seconds S    how long it is deaf (8)
  --rounds N     each of the three scenarios so often (3)
  --rate R       messages a second (5000)
  --bytes N      of a message (1024)
  --books-only   judge what was delivered and lost, not how late
  --no-fifo      no real-time priority (only root gets it anyway)
  --build DIR    where the project was built (build/main, build/gcc, or MSG_BUILD)
  --results DIR  where results go (build/perf-results): deaf.*.tsv, deaf.png
  --help         this text

Exit status: 0 when it held: the healthy one lost nothing, its p99 stayed within
1.2 times that of the same round's run by itself (median over rounds; asked once
more if not), and the deaf one was told exactly how many it lost.  1 if not.
HELP
}

seconds=8 fifo=--fifo arguments=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=${2:?}; shift ;;
	--rounds | --rate | --bytes) arguments+=("$1" "${2:?}"); shift ;;
	--books-only) arguments+=("$1") ;;
	--no-fifo) fifo='' ;;
	--build) build=${2:?}; shift ;;
	--results) results=${2:?}; shift ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
find_build
own_groups

# A row for each second of a timeline: ten steps of the healthy one, their p99,
# ten steps of the other one.
show() {
	awk -F '\t' '
		/^# / { print "  " $0; next }
		/^#/ { printf "  %4s  %-40s  %-50s  %s\n", "s",
			"healthy, messages per 100 ms", "p99 of these, us",
			"the other, per 100 ms"; next }
		{ n[0] = n[0] sprintf("%4d", $2); n[1] = n[1] sprintf("%5d", $3)
			n[2] = n[2] sprintf("%5d", $4) }
		FNR > 2 && (FNR - 2) % 10 == 0 { row() }
		END { if (n[0] != "") row() }
		function row() {
			printf "  %4d  %-40s  %-50s  %s\n", second++, n[0], n[1], n[2]
			n[0] = n[1] = n[2] = ""
		}' "$1"
}

# Two pictures, one above the other, for each way to be deaf.
draw() {
	local name from to
	echo 'set multiplot layout 2,2'
	echo 'set grid; set xlabel "s"'
	for name in stopped killed; do
		read -r from to < <(sed -n '1s/.*from \([^ ]*\) to \([^ ]*\) s/\1 \2/p' \
			"$results/deaf.$name.tsv")
		cat <<-END
			set object 1 rectangle from $from, graph 0 to $to, graph 1 \
				fillcolor rgb '#ffdddd' fillstyle solid noborder behind
			unset logscale y
			set key right center
			set yrange [0:3000]
			set title 'one of two is $name'
			set ylabel 'messages delivered per 100 ms'
			plot '$results/deaf.$name.tsv' using 1:4 title 'the other' \
				with steps lc rgb 'red', '' using 1:2 title 'the healthy one' \
				with steps lw 2 lc rgb 'blue'
		END
	done
	for name in stopped killed; do
		read -r from to < <(sed -n '1s/.*from \([^ ]*\) to \([^ ]*\) s/\1 \2/p' \
			"$results/deaf.$name.tsv")
		cat <<-END
			set object 1 rectangle from $from, graph 0 to $to, graph 1 \
				fillcolor rgb '#ffdddd' fillstyle solid noborder behind
			set logscale y
			set key right top
			set yrange [10:100000]
			set title ''
			set ylabel 'p99 of the healthy one per 100 ms, us'
			plot '$results/deaf.alone.tsv' using 1:3 title 'alone' \
				with steps lc rgb 'gray50', \
				'$results/deaf.$name.tsv' using 1:3 title 'beside it' \
				with steps lw 2 lc rgb 'blue'
		END
	done
	echo 'unset multiplot'
}

machine
code=0
broker_start --lane udp --interface lo
rm -f "$results"/deaf.*.tsv
"$programs/perf_deaf" --broker "$broker" --times "$results" \
	--deaf-ms "$(awk -v s="$seconds" 'BEGIN { print int(s * 1000) }')" \
	$fifo ${arguments[@]+"${arguments[@]}"} || code=$?
broker_stop
[ $code -le 1 ] || exit $code
for scenario in stopped killed; do
	[ -s "$results/deaf.$scenario.tsv" ] || continue
	echo "--- $scenario, last round"
	show "$results/deaf.$scenario.tsv"
done
if [ -s "$results/deaf.killed.tsv" ]; then
	draw | picture "$results/deaf.png"
fi
machine
exit $code
