#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# ipc.sh - libmsg between processes of this host, beside what it can do bare.
#
# A broker of the build's own, with no network, brings two processes together;
# perf_ipc.c measures them, and the bare ones of bare.c in turns with them.
set -euo pipefail
LC_ALL=C
export LC_ALL
# shellcheck source=tests/perf/broker.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker.sh"

usage() {
	cat <<'HELP'
usage: tests/perf/ipc.sh [OPTION...]

Measure libmsg between two processes of this host through a broker of its own,
in turns with what the machine does bare: a cache line there and back, a futex,
a byte ring.  Results go to build/perf-results: ipc.txt, ipc.json, ipc.png.

  --rounds N     how many rounds, 1 to 31 (7)
  --quick        3 rounds of a tenth of the messages
  --only TEXT    only rows whose name holds this
  --no-fifo      no real-time priority (only root gets it anyway)
  --build DIR    where the project was built (build/main, build/gcc, or MSG_BUILD)
  --results DIR  where results go
  --help         this text

Exit status: 0 whether targets were met or not, for times are not a test; 1
when something did not run.
HELP
}

rounds='' fifo=--fifo arguments=()
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?}; shift ;;
	--quick) rounds=${rounds:-3}; arguments+=(--fewer 10) ;;
	--only) arguments+=(--only "${2:?}"); shift ;;
	--no-fifo) fifo='' ;;
	--build) build=${2:?}; shift ;;
	--results) results=${2:?}; shift ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
find_build

# A bar a row, its ratio; lowest and highest round; a mark where the target is.
draw() {
	sed -E 's/.*"wait":"([^"]*)","what":"([^"]*)".*"ratio":([^,]*),"low":([^,]*),"high":([^,]*),.*"target":"[<>]?=? ?([^"]*)".*/"\2, \1" \3 \4 \5 \6/
		s/ $/ NaN/' "$results/ipc.json" >"$work/bars"
	cat <<-END
		set title 'libmsg through a broker, as a ratio to the bare machine'
		set style fill solid 0.6
		set boxwidth 0.6
		set grid y
		set yrange [0:*]
		set ylabel 'libmsg / bare (ns: less is better; rates: more)'
		set xtics rotate by -30
		set rmargin 14
		plot '$work/bars' using 0:2:xtic(1) with boxes title 'median', \
			'' using 0:2:3:4 with yerrorbars lc rgb 'black' \
			title 'lowest and highest round', \
			'' using 0:5 with points pt 13 ps 1.5 lc rgb 'red' title 'target'
	END
}

broker_start --lane none
{
	machine
	"$programs/perf_ipc" --broker "$broker" --json "$results/ipc.json" \
		--rounds "${rounds:-7}" $fifo ${arguments[@]+"${arguments[@]}"}
	machine
} | tee "$results/ipc.txt"
draw | picture "$results/ipc.png"
