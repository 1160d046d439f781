#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_history.sh - who comes late reads what was sent before, on an RDMA device:
# from a publisher behind a broker, and for subscribers behind another; and of topics
# by connections without a broker, too.
#
# Each message is checked, and that none is missing or comes twice (perf_late).
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
program=$BUILD/tests/perf/perf_late
need_built "$program"
export MSG_MODULE_DIR=$BUILD/libmsg/msg
count=10000
start_broker
"$msgbrokerd" --device rxe0 --config "$work/conf" --name other \
	--socket "$work/other.sock" 2>"$work/other.err" &
other=$!
await 30 grep -q 'info: started:' "$work/other.err"

# late NAME OPTION...: what it printed, in $line.
late() {
	line=$("$program" --device rxe0 --rounds 1 --count $count "${@:2}") ||
		fail "$1: $line"
	echo "$1: $line"
}
column() { cut -f "$1" <<<"$line"; }

# All but what was asked for before the connection was there.
late 'publisher behind a broker' --publisher "$work/b.sock"
[ "$(column 7)" -gt 100 ] || fail "only $(column 7) frames were read"
late 'small messages of its ring' --publisher "$work/b.sock" --bytes 32 \
	--batch 1 --count 4000
[ "$(column 7)" -gt 2500 ] || fail "only $(column 7) frames were read"
# The broker reads them once, and asks for few: 10 to 16 messages are a frame.
late 'subscriber behind a broker' --subscriber "$work/other.sock"
[ "$(column 8)" -lt 1500 ] || fail "$(column 8) frames were sent again"
late 'both behind brokers' --publisher "$work/b.sock" \
	--subscriber "$work/other.sock"

# By connections what was sent before is read as well, and hardly any of it is sent.
rc=(--rc --batch 1 --count 4000)
late 'by connections' "${rc[@]}"
[ "$(column 7)" -gt 2500 ] || fail "only $(column 7) frames were read"
[ "$(column 8)" -lt 1500 ] || fail "$(column 8) frames were sent again"
late 'by connections, publisher behind a broker' "${rc[@]}" \
	--publisher "$work/b.sock"
[ "$(column 7)" -gt 2500 ] || fail "only $(column 7) frames were read"
late 'by connections, subscriber behind a broker' "${rc[@]}" \
	--subscriber "$work/other.sock"
[ "$(column 8)" -lt 1500 ] || fail "$(column 8) frames were sent again"
late 'by connections, both behind brokers' "${rc[@]}" \
	--publisher "$work/b.sock" --subscriber "$work/other.sock"
kill -0 "$broker" "$other" || fail "a broker ended"
if grep -q history-unread "$work"/*.err; then
	fail "$(grep history-unread "$work"/*.err)"
fi
