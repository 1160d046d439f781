#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# large_test.sh LARGE_MESSAGE MSG - a file of 100 MB as one message: by the example,
# and by msg pub and msg echo.  Both copies are the file.
set -euo pipefail

work=$(mktemp -d)
export MSG_PORT=$((20000 + $$ % 12000))
export MSG_GROUPS=239.$((16 + $$ % 200)).$(($$ / 200 % 250)).0+8
reader=''
trap '[ -z "$reader" ] || kill "$reader" 2>/dev/null || true
	rm -rf "$work"' EXIT
head -c 100000001 /dev/urandom >"$work/file"

# Start a reader, and wait until it has joined: its socket is in the kernel's list.
start() {
	"$@" >"$work/copy" 2>"$work/said" </dev/null &
	reader=$!
	port=$(printf '%04X' "$MSG_PORT")
	for ((i = 0; i < 200; i++)); do
		! grep -q ":$port " /proc/net/udp || break
		kill -0 "$reader" || { cat "$work/said"; exit 1; }
		sleep 0.1
	done
	sleep 1
}

start "$1"
"$1" "$work/file"
wait "$reader"
reader=''
cmp "$work/file" "$work/copy"

start "$2" echo -q --raw --count 1 --timeout 50 --large 128Mi large.tool
"$2" pub -q --reliability reliable --large 128Mi --file "$work/file" large.tool
wait "$reader"
reader=''
cmp "$work/file" "$work/copy"
