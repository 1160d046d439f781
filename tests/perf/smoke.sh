#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# smoke.sh - do the measuring programs run, and print what run.sh reads?
#
#   smoke.sh PROGRAMS    the build folder of tests/perf
#
# Tiny counts, no pinning, no priority, and not a word about how long it took.
set -euo pipefail
programs=${1:?is missing: the build folder of tests/perf}
port=$((20000 + $$ % 12000))
group=239.$((16 + $$ % 200)).$(($$ / 200 % 250)).0

fail() { echo "FAIL: $*" >&2; exit 1; }

columns=$("$programs/perf_msg" --columns | awk -F '\t' '{ print NF }')

# line PROGRAM ARGUMENT...: one line, as many columns, something arrived.
line() {
	local out
	out=$(timeout 60 "$programs/$1" "${@:2}" --port $port --group "$group" \
		--sender-cpu -1 --receiver-cpu -1) || fail "$*: exit $?"
	awk -F '\t' -v n="$columns" 'NR > 1 || NF != n || $8 < 1 || $7 < $8 {
		bad = 1 } END { exit bad || NR != 1 }' <<<"$out" ||
		fail "$*: malformed: $out"
}

for program in perf_raw_udp perf_msg; do
	line $program latency --count 200 --rate 2000 --idle --block
	line $program rate --seconds 0.1 --block --bytes 1000
done
for style in lone connected gso; do
	line perf_raw_udp rate --seconds 0.1 --block --style $style
done
line perf_msg rate --seconds 0.1 --block --bytes 100000 --batch 1 --window 4
line perf_msg rate --seconds 0.1 --block --frame-bytes 1048 --buffers 256
for style in reliable thread; do
	line perf_msg rate --seconds 0.1 --block --style $style --history 1000000
done
line perf_msg latency --count 200 --rate 2000 --idle --block --style thread \
	--trace "$programs/smoke.trace"
[ "$(wc -l <"$programs/smoke.trace")" = 200 ] || fail "perf_msg --trace"
rm -f "$programs/smoke.trace"
"$programs/perf_ping" - 127.0.0.1 - 127.0.0.1 100 2000 64 |
	awk '{ exit $1 < 90 || $3 < 1 }' || fail "perf_ping"
MSG_PORT=$port MSG_GROUPS=$group+8 timeout 60 "$programs/perf_late" --count 2000 \
	--rounds 1 | awk '{ exit !($5 > 0 && $5 >= $6) }' || fail "perf_late"
"$programs/perf_msg" nonsense 2>/dev/null && fail "nonsense was taken"
"$programs/perf_raw_verbs" latency --device none --count 1 >/dev/null 2>&1 &&
	fail "a device that is not there was taken"
[ "$(MSG_MODULE_DIR=$programs/../../libmsg/msg timeout 60 "$programs/perf_rc" \
	--rounds 1 --pings 50 --mib 2 | grep -c ' / .*[0-9]\.[0-9]* (')" = 28 ] ||
	fail "perf_rc"
[ "$(MSG_MODULE_DIR=$programs/../../libmsg/msg timeout 60 \
	"$programs/perf_large" --rounds 1 --mib 4 |
	grep -c '4 MiB .*[0-9]\.[0-9]* (')" = 1 ] || fail "perf_large"
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=(--build "$(cd "$programs/../.." && pwd)" --results "$work")
if [ -x "$programs/../../broker/msgbrokerd" ]; then
	"$here/ipc.sh" "${results[@]}" --quick --rounds 1 --no-fifo \
		--only 'way, 64 B' 		>"$work/out" || fail "ipc.sh: $(cat "$work/out")"
	[ "$(grep -c '"what":"one way, 64 B"' "$work/ipc.json")" = 2 ] ||
		fail "ipc.sh: $(cat "$work/out")"
	"$here/start.sh" "${results[@]}" --rounds 2 --no-times >"$work/out" ||
		fail "start.sh: $(cat "$work/out")"
	# Books of every message, and not a word about how late they were.
	"$here/deaf.sh" "${results[@]}" --seconds 2 --rounds 1 --books-only \
		--no-fifo >"$work/out" || fail "deaf.sh: $(cat "$work/out")"
	grep -q 'the deaf one .* delivered + *[1-9][0-9]* lost$' "$work/out" ||
		fail "deaf.sh: nobody was deaf: $(cat "$work/out")"
fi
"$here/peers/peers.sh" "${results[@]}" --peers msg,udp --subscribers 2 --no-nice \
	--bytes 64,65536 --modes rate,block --rounds 1 --seconds 0.05 \
	>"$work/out" || fail "peers.sh: $(cat "$work/out")"
[ "$(wc -l <"$work/peers.tsv")" = 8 ] || fail "peers.sh: $(cat "$work/out")"
"$here/run.sh" --help | grep -q -- --softroce || fail "run.sh --help"
echo "all programs run"
