#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_doctor.sh - what msg doctor finds about the broker of this host.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir -p "$XDG_RUNTIME_DIR/msg"
chmod 755 "$XDG_RUNTIME_DIR/msg"
place=$XDG_RUNTIME_DIR/msg
# run.sh keeps all others from a broker; this is about what a user finds.
unset MSG_BROKER_POLICY

# doctor STATUS CHECK TEXT [FIX]: it has that finding, with that fix.
doctor() {
	"$MSG" doctor >"$work/doctor.txt" 2>"$work/doctor.err"
	grep -Eq "^$1 +$2 .*$3" "$work/doctor.txt" ||
		fail "wanted '$1 $2 … $3', got
$(grep broker "$work/doctor.txt")"
	[ -z "${4:-}" ] || grep -E -A1 "^$1 +$2 " "$work/doctor.txt" |
		grep -q "fix: .*$4" || fail "wanted the fix '$4', got
$(grep -A1 broker "$work/doctor.txt")"
}

if [ ! -e /run/msg/default.sock ]; then
	doctor note broker 'none runs at .*default.sock'
fi
export MSG_BROKER=a
doctor warn broker "MSG_BROKER asks for 'a', but there is no broker" \
	'msgbrokerd --name a'
MSG_BROKER='a b' doctor fail broker 'MSG_BROKER: .*letters' 'unset MSG_BROKER'

broker a
doctor ok broker "'a' .pid ${pids[a]}. answers at $place/a.sock"
doctor ok brokerdir 'may write to'
doctor ok brokerlock "pid ${pids[a]} holds $place/a.lock"
doctor ok brokerstats 'can be read'
doctor note brokerlane 'no network'
chmod o+w "$place"
doctor fail brokerdir 'everybody may write' "chmod o-w $place"
chmod o-w "$place"
kill -STOP "${pids[a]}"
doctor fail broker 'is stopped' "kill -CONT ${pids[a]}"
kill -CONT "${pids[a]}"
"$MSG" doctor --json >"$work/doctor.json"
check "JSON" json_valid "$work/doctor.json"

kill -KILL "${pids[a]}"
finish a
doctor warn broker 'socket .*a.sock is stale' 'msgbrokerd --name a'
doctor ok brokerlock "$place/a.lock is free"

# With a lane: the one programs get here, and another.
quiet=(--config "$work/empty.conf")
broker a --lane udp --interface lo
MSG_LANE=udp MSG_INTERFACE=lo doctor ok brokerlane "gets the broker's lane"
MSG_LANE=udp MSG_INTERFACE=lo MSG_PORT=$((MSG_PORT + 1)) \
	doctor warn brokerlane 'another lane: udp on lo' \
	"MSG_LANE=udp MSG_INTERFACE=lo MSG_GROUPS=.* MSG_PORT=$MSG_PORT"
MSG_BROKER_POLICY=never doctor note brokerlane 'MSG_BROKER_POLICY says so'
kill "${pids[a]}"
finish a
