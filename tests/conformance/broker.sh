#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker.sh - the conformance suite through a broker of its own, on loopback.
#
#   broker.sh MSGBROKERD TEST_CONFORMANCE [ARGUMENT...]
#
# Each test is a process that opens and closes much within a second, and what
# it had is the broker's to give back a little later: hence the quotas.
set -euo pipefail

program=$1 suite=$2
shift 2
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
for name in $(compgen -A variable MSG_); do
	[ "$name" = MSG_TEST_SEED ] || [ "$name" = MSG_MODULE_DIR ] ||
		unset "$name"
done
export XDG_RUNTIME_DIR=$work
cat >"$work/msg.conf" <<'CONF'
[quota]
connections = 1000
subscriptions = 1000
publishers = 1000
held_slots = 4Mi
bytes = 8Gi
CONF
chmod 600 "$work/msg.conf"

"$program" --config "$work/msg.conf" --name "test-$$" \
	--socket "$work/broker.sock" --interface lo \
	--groups "239.255.$((100 + $$ / 20000 % 100)).0+32" \
	--port $((20000 + $$ % 20000)) --verbose 2>"$work/log" &
pid=$!
for ((i = 0; i < 200; i++)); do
	! grep -q 'info: started:' "$work/log" || break
	kill -0 "$pid" 2>/dev/null || break
	sleep 0.1
done
grep -q 'info: started:' "$work/log" ||
	{ echo "FAIL: the broker did not start:"; cat "$work/log"; exit 1; }

result=0
"$suite" --broker "$work/broker.sock" "$@" || result=$?
kill -0 "$pid" 2>/dev/null || { echo 'FAIL: the broker ended'; result=1; }
[ "$result" = 0 ] || { echo "the broker's log ends:"; tail -n 20 "$work/log"; }
exit "$result"
