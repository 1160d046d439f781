#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# conformance.sh - hold a binding to conformance.list.
#
#   conformance.sh [--no-list] direct|broker MSGBROKERD COMMAND...
#
# COMMAND gets `direct` or `broker` behind its arguments, and by its environment
# a lane, groups and a port of its own; with `broker` all nodes go through one of
# our own that serves those groups, too.  It prints `ok NAME` for each line of
# the list, anything else for people, and exits 0; or 77, with a line `SKIP why`.
# With --no-list it is some other test that wants the same surroundings.
set -euo pipefail

list=yes
[ "${1:-}" != --no-list ] || { list=''; shift; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
way=$1 program=$2
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
	[ "$name" = MSG_MODULE_DIR ] || [ "$name" = MSG_LIBRARY ] ||
		unset "$name"
done
export MSG_LANE=udp MSG_INTERFACE=lo XDG_RUNTIME_DIR=$work
export MSG_GROUPS=239.255.$((100 + $$ / 20000 % 100)).0+32
export MSG_PORT=$((20000 + $$ % 20000))

case $way in
direct) export MSG_BROKER_POLICY=never ;;
broker)
	: >"$work/empty.conf"
	"$program" --config "$work/empty.conf" --name "test-$$" \
		--socket "$work/broker.sock" --interface lo \
		--groups "$MSG_GROUPS" --port "$MSG_PORT" --verbose \
		2>"$work/log" &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q 'info: started:' "$work/log" || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	grep -q 'info: started:' "$work/log" || {
		echo 'FAIL: the broker did not start:'
		cat "$work/log"
		exit 1
	}
	export MSG_BROKER_POLICY=require MSG_BROKER=$work/broker.sock ;;
*) echo 'usage: conformance.sh direct|broker MSGBROKERD COMMAND...' >&2
	exit 2 ;;
esac

result=0
"$@" "$way" >"$work/said" 2>&1 || result=$?
cat "$work/said"
[ "$result" != 77 ] || exit 77
if [ "$result" != 0 ]; then
	echo "FAIL: exit status $result"
	[ "$way" = direct ] || tail -n 20 "$work/log"
	exit 1
fi
[ "$way" = direct ] || kill -0 "$pid" 2>/dev/null ||
	{ echo 'FAIL: the broker ended'; exit 1; }
[ -n "$list" ] || exit 0
awk '!/^#/ && NF { print $1 }' "$here/conformance.list" | sort >"$work/wanted"
sed -n 's/^ok //p' "$work/said" | sort >"$work/shown"
diff "$work/wanted" "$work/shown" >"$work/diff" || {
	echo 'FAIL: not what conformance.list says (<: missing, >: not in it):'
	grep '^[<>]' "$work/diff"
	exit 1
}
echo "$(wc -l <"$work/wanted") of the list hold, $way"
