#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_tools.sh - what people look with and measure with knows a broker on an
# RDMA device; and a limit on locked memory is refused in words that say what to
# do: at the broker's start, or where a publisher of a running one asks for more.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
start_broker
export MSG_BROKER=$work/b.sock

code=0
through doctor >"$work/doctor" || code=$?
cat "$work/doctor"
[ $code -le 1 ] || fail "doctor: exit $code on a sound machine"
grep -q '^ok   broker  .*answers' "$work/doctor" || fail "the broker is not found"
grep -q '^ok   multicast .*came back' "$work/doctor" || fail "no loopback"

through bench latency --block --rate 100 --count 200 --require loss=0
through bench throughput --block --rate 1k --count 2000 --batch 8 \
	--subscribers 3 --require loss=0
through bench roundtrip --block --rate 50 --count 100 --require loss=0

# limited KB COMMAND...: with that limit, which root would not notice.
limited() {
	local kb=$1
	shift
	(ulimit -l "$kb" && exec setpriv --bounding-set=-ipc_lock \
		--inh-caps=-ipc_lock "$@")
}
code=0
limited 64 timeout 20 "$msgbrokerd" --device rxe0 --config "$work/conf" \
	--socket "$work/c.sock" 2>"$work/c.err" || code=$?
cat "$work/c.err"
[ $code = 1 ] || fail "64 KiB of locked memory: exit $code"
grep -q 'start-failed: .*rxe0.*ulimit -l' "$work/c.err" || fail "not in words"

# Its slots count twice: frames come there, and history is read there.
limited 8650 "$msgbrokerd" --device rxe0 --config "$work/conf" \
	--socket "$work/c.sock" 2>"$work/c.err" &
broker=$!
await 30 grep -q 'info: started:' "$work/c.err"
code=0
MSG_BROKER=$work/c.sock MSG_BROKER_POLICY=require \
	"$msg" pub --buffers 4000 --message a big.one 2>"$work/pub.err" || code=$?
cat "$work/pub.err"
[ $code = 1 ] || fail "a publisher beyond the limit: exit $code"
grep -q "the broker .*ulimit -l" "$work/pub.err" || fail "not in words"
MSG_BROKER=$work/c.sock MSG_BROKER_POLICY=require \
	"$msg" pub -q --message a small.one || fail "the broker serves no more"
kill "$(<"$work/c.lock")"
wait "$broker" || fail "the broker ended with $?"
