# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# own_broker.sh - a broker of one's own on loopback, or on $INTERFACE, apart from all
# others.  Sourced, not run; no variable MSG_... but those named in $keep comes through.
#
#   $work                     a folder that goes away in the end, as the broker does
#   $groups, $port            of nobody else
#   own_broker MSGBROKERD [SETTINGS]   start it, with that file; its socket is
#                             $work/broker.sock, its log $work/log
#   own_broker_lives          says so if it does not

work=$(mktemp -d)
broker_pid=
cleanup() {
	[ -z "$broker_pid" ] || kill "$broker_pid" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for name in $(compgen -A variable MSG_); do
	[[ " MSG_MODULE_DIR ${keep:-} " == *" $name "* ]] || unset "$name"
done
export XDG_RUNTIME_DIR=$work
groups=239.255.$((100 + $$ / 20000 % 100)).0+32
port=$((20000 + $$ % 20000))

own_broker() {
	: >"$work/empty.conf"
	"$1" --config "${2:-$work/empty.conf}" --name "test-$$" \
		--socket "$work/broker.sock" --interface "${INTERFACE:-lo}" \
		--groups "$groups" --port "$port" --verbose 2>"$work/log" &
	broker_pid=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q 'info: started:' "$work/log" || return 0
		kill -0 "$broker_pid" 2>/dev/null || break
		sleep 0.1
	done
	echo 'FAIL: the broker did not start:'
	cat "$work/log"
	exit 1
}

own_broker_lives() {
	kill -0 "$broker_pid" 2>/dev/null || { echo 'FAIL: the broker ended'; return 1; }
}
