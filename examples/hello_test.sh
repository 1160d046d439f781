#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# hello_test.sh HELLO_PUBLISH HELLO_SUBSCRIBE - the two programs of the README,
# run as a reader would: the subscriber prints each of the fifty messages, none
# lost, and ends by itself ten seconds later.
set -euo pipefail

work=$(mktemp -d)
# Of nobody else: who runs this twice at a time is not to hear the other.
export MSG_PORT=$((20000 + $$ % 12000))
export MSG_GROUPS=239.$((16 + $$ % 200)).$(($$ / 200 % 250)).0+8
subscriber=''
trap '[ -z "$subscriber" ] || kill "$subscriber" 2>/dev/null || true
	rm -rf "$work"' EXIT

"$2" >"$work/said" 2>&1 </dev/null &
subscriber=$!
# It says nothing before the first message.  It has joined when its socket is
# in the kernel's list, or a moment later.
port=$(printf '%04X' "$MSG_PORT")
for ((i = 0; i < 200; i++)); do
	! grep -q ":$port " /proc/net/udp || break
	kill -0 "$subscriber" || { cat "$work/said"; exit 1; }
	sleep 0.1
done
sleep 1
"$1"
wait "$subscriber"
subscriber=''

for ((i = 0; i < 50; i++)); do
	echo "hello $i (0 lost before)"
done >"$work/wanted"
diff "$work/wanted" "$work/said"
