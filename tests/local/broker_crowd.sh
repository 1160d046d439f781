#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_crowd.sh - a directory of 5,000 publishers: more than a socket holds at
# once, so that the broker's answer goes out piece by piece.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${CROWD:?is not set: the path of the program broker_crowd}"
export MSG_BROKER=$place/a.sock
quiet=(--config "$work/crowd.conf")
cat >"$work/crowd.conf" <<-'END'
	[quota]
	connections = 2000
	publishers = 2000
	bytes = 4Gi
END
heard=4096 local=904

[ "$(ulimit -Hn)" -ge 16384 ] || skip "$local publishers need 16384 descriptors"
ulimit -n "$(ulimit -Hn)"
available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
[ "$available" -ge 2000000 ] || skip "$local publishers need 2 GB of memory"

broker a --interface lo
start crowd env -u MSG_LANE -u MSG_INTERFACE "$CROWD" $heard $local
await 150 grep -q ready "$work/crowd.out"

list() {
	env -u MSG_LANE -u MSG_INTERFACE MSG_BROKER_POLICY=require \
		"$MSG" list -q --wait 1.2 "$@"
}
# each_once PATTERN FILE: the names that sed finds there are all, each once.
each_once() {
	sed -n "s/$1/\1/p" "$2" | sort -n >"$work/names"
	seq 0 $((heard + local - 1)) | cmp - "$work/names" ||
		fail "$(wc -l <"$work/names") names, $(uniq "$work/names" |
			wc -l) different ones, of $((heard + local))"
}
list --json 'crowd.>' >"$work/list.json" || fail "list --json: exit $?"
check "JSON" json_valid "$work/list.json" lines
each_once '.*"topic":"crowd\.0*\.\([0-9]*\)".*' "$work/list.json"
list 'crowd.>' >"$work/list" || fail "list: exit $?"
each_once '.*crowd\.0*\.\([0-9]*\) .*' "$work/list"

# The broker has thrown nobody out, and nothing of this makes it slow.
is "disconnected" 0 "$(grep -c 'protocol-broken' "$work/a.err")"

# One that asks and does not read is nobody's trouble.
start stuck env -u MSG_LANE -u MSG_INTERFACE MSG_BROKER_POLICY=require \
	"$MSG" list --watch -q 'crowd.>'
await 20 test -s "$work/stuck.out"
kill -STOP "${pids[stuck]}"
list --json 'crowd.>' >"$work/list.json" || fail "list: exit $?"
is "topics, beside one that is stopped" $((heard + local)) \
	"$(wc -l <"$work/list.json")"
kill -CONT "${pids[stuck]}"
kill "${pids[stuck]}"
finish stuck
kill "${pids[crowd]}"
finish crowd
