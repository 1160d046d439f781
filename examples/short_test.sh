#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# short_test.sh EXAMPLE FOLDER MSG - an example does what its first lines say, and
# has fewer than sixty of them.
set -euo pipefail
example=$1 folder=$2 msg=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT
export MSG_PORT=$((20000 + $$ % 12000))
export MSG_GROUPS=239.$((16 + $$ % 200)).$(($$ / 200 % 250)).0+8

fail() {
	echo "FAIL: $*"
	tail -n 20 "$work"/* 2>/dev/null
	exit 1
}
await() { # await COMMAND...: at most half a minute
	local i
	for ((i = 0; i < 300; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	fail "waited in vain for: $*"
}
listens() { grep -q ":$(printf '%04X' "$MSG_PORT") " /proc/net/udp; }

for file in "$here/$example"*.c; do
	[ "$(wc -l <"$file")" -le 60 ] || fail "$file is long"
done
case $example in
epoll)
	mkfifo "$work/input"
	"$folder/epoll" <"$work/input" >"$work/said" 2>"$work/errors" &
	pids+=($!)
	exec 3>"$work/input"
	await listens
	sleep 1
	echo first >&3
	await grep -qx 'line: first' "$work/said"
	"$msg" pub -q hello.epoll --message one --message two
	await grep -qx 'message: two' "$work/said"
	echo last >&3
	exec 3>&-
	wait "${pids[0]}" || fail "exit $?"
	printf '%s\n' 'line: first' 'message: one' 'message: two' 'line: last' |
		diff - "$work/said" || fail 'another order'
	;;
batch)
	"$folder/batch" >"$work/said" || fail "exit $?"
	read -r messages _ _ frames _ <"$work/said"
	[ "$messages" = 1000000 ] || fail "$messages messages"
	# 32 of 8 bytes share a frame.
	[ "$frames" -le 32000 ] && [ "$frames" -ge 300 ] || fail "$frames frames"
	;;
wildcard)
	"$folder/wildcard" 'hello.*.>' >"$work/said" 2>"$work/errors" &
	pids+=($!)
	await listens
	sleep 1
	for topic in hello.a.b hello.c.d.e hello.other; do
		"$msg" pub -q "$topic" --message "to $topic" --wait-ms 1500
	done
	await grep -q '^hello\.c\.d\.e .* left$' "$work/said"
	for topic in hello.a.b hello.c.d.e; do
		grep -q "^$topic [0-9a-f]* joined$" "$work/said" || fail "$topic joins"
		grep -q "^$topic [0-9a-f]* message to $topic$" "$work/said" ||
			fail "no message of $topic"
	done
	! grep -q hello.other "$work/said" || fail 'a topic that does not match'
	;;
reliable)
	"$folder/reliable_publish" 2>"$work/errors" &
	pids+=($!)
	sleep 0.5 # Into its two seconds: a late one gets the first order, too.
	"$folder/reliable_subscribe" >"$work/said" 2>>"$work/errors" ||
		fail "exit $?"
	wait "${pids[0]}" || fail "exit $? of the publisher"
	for ((i = 1; i <= 100; i++)); do
		echo "order $i, number $((i - 1))"
	done | diff - "$work/said" || fail 'not all of them'
	;;
*) fail "no test of $example" ;;
esac
