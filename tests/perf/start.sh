#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# start.sh - how soon a subscriber behind a broker has its first message.
#
# start.c says what is measured and what has to hold: no libfabric, no locked
# memory, for the broker has both so that its clients need neither.
set -euo pipefail
LC_ALL=C
export LC_ALL
# shellcheck source=tests/perf/broker.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker.sh"

usage() {
	cat <<'HELP'
usage: tests/perf/start.sh [OPTION...]

Take the time from exec to the first message of a subscriber behind a broker,
with no memory that it may lock (ulimit -l 0).

  --rounds N     how many starts (21)
  --no-times     do not judge how long it took
  --build DIR    where the project was built (build/main, build/gcc, or MSG_BUILD)
  --results DIR  where results go (build/perf-results): start.txt
  --help         this text

Exit status: 0 when the median is within 20 ms and no libfabric was loaded and
no memory locked; 1 if not.
HELP
}

most=(--most-ms 20) arguments=()
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) arguments+=(--rounds "${2:?}"); shift ;;
	--no-times) most=() ;;
	--build) build=${2:?}; shift ;;
	--results) results=${2:?}; shift ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
find_build
broker_start --lane none
machine | tee "$results/start.txt"
ulimit -l 0
code=0
"$programs/perf_start" --broker "$broker" ${most[@]+"${most[@]}"} \
	${arguments[@]+"${arguments[@]}"} >"$work/out" || code=$?
tee -a "$results/start.txt" <"$work/out"
exit $code
