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
keep=MSG_LIBRARY
# shellcheck source=tests/support/own_broker.sh
. "$here/../support/own_broker.sh"
export MSG_LANE=udp MSG_INTERFACE=lo MSG_GROUPS=$groups MSG_PORT=$port

case $way in
direct) export MSG_BROKER_POLICY=never ;;
broker)
	own_broker "$program"
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
[ "$way" = direct ] || own_broker_lives || exit 1
[ -n "$list" ] || exit 0
awk '!/^#/ && NF { print $1 }' "$here/conformance.list" | sort >"$work/wanted"
sed -n 's/^ok //p' "$work/said" | sort >"$work/shown"
diff "$work/wanted" "$work/shown" >"$work/diff" || {
	echo 'FAIL: not what conformance.list says (<: missing, >: not in it):'
	grep '^[<>]' "$work/diff"
	exit 1
}
echo "$(wc -l <"$work/wanted") of the list hold, $way"
