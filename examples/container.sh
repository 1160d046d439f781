#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# container.sh - a subscriber that has no network, no device and no rights:
# nothing but the broker's socket.
#
#   host       publisher ── multicast ──> msgbrokerd ── demo.sock
#                                                          │
#   unshare -n, uid 65534, no capability                msg echo
#
# A container is such a place; give it the socket alone, as with
# `docker run --network none -v /run/msg/default.sock:/run/msg/default.sock`.
# Needs root, to make one.  It uses `msg` and `msgbrokerd` of PATH.
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "SKIP: needs root, for unshare -n"; exit 77; }
unshare -n true 2>/dev/null || { echo "SKIP: unshare -n is not allowed"; exit 77; }

pids=()
work=$(mktemp -d)
chmod 0755 "$work"
trap 'kill "${pids[@]}" 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT

touch "$work/msg.conf"
msgbrokerd --socket "$work/demo.sock" --interface lo --lane udp \
	--config "$work/msg.conf" 2>"$work/broker" &
pids+=($!)
until grep -q started "$work/broker"; do
	kill -0 "${pids[0]}" || { cat "$work/broker"; exit 1; }
	sleep 0.1
done

# shellcheck disable=SC2016 # for the shell inside
MSG_BROKER=$work/demo.sock MSG_BROKER_POLICY=require MSG=$(command -v msg) \
	unshare -n setpriv --reuid 65534 --regid 65534 --clear-groups \
	--bounding-set -all --inh-caps -all bash -c '
	echo "uid $(id -u), addresses: $(cat /proc/net/fib_trie | wc -l)," \
		"groups joined: $(grep -c " [0-9]* 0:" /proc/net/igmp)"
	exec "$MSG" echo --count 3 --timeout 50 "demo.>"' \
	>"$work/said" 2>"$work/heard" &
pids+=($!)
until grep -q listening "$work/heard" 2>/dev/null; do
	kill -0 "${pids[1]}" || { cat "$work/heard"; exit 1; }
	sleep 0.1
done

printf '%s\n' one two three |
	MSG_BROKER_POLICY=never msg pub --quiet --interface lo --lane udp \
		--wait-ms 1500 demo.box
wait "${pids[1]}"
cat "$work/said"
grep -q 'groups joined: 0' "$work/said"
[ "$(wc -l <"$work/said")" = 4 ]
