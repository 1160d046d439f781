#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# two_on_one_endpoint.sh - two processes share one endpoint by giving its name.
#
#   publisher ── multicast ──> msgbrokerd "desk" ──┬─> msg echo   both with
#                              joins once          └─> msg echo   MSG_BROKER=desk
#
# A name stands for a socket, $XDG_RUNTIME_DIR/msg/NAME.sock, root's in
# /run/msg.  Programs need nothing but the variable, and may say the same in
# msg_node_options.broker_name.  It uses `msg` and `msgbrokerd` of PATH.
set -euo pipefail

name=desk-$$
pids=()
work=$(mktemp -d)
trap 'kill "${pids[@]}" 2>/dev/null || true; wait || true; rm -rf "$work" "${lock:-}"' EXIT
# Unprivileged and without a session: a folder of our own.
[ "$(id -u)" = 0 ] || export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$work}
folder=/run/msg
[ "$(id -u)" = 0 ] || folder=$XDG_RUNTIME_DIR/msg
lock=$folder/$name.lock # The broker leaves it: removing it is a race.

touch "$work/msg.conf"
msgbrokerd --name "$name" --interface lo --lane udp --config "$work/msg.conf" \
	2>"$work/broker" &
pids+=($!)
until grep -q started "$work/broker"; do
	kill -0 "${pids[0]}" || { cat "$work/broker"; exit 1; }
	sleep 0.1
done

# require: through the broker, or not at all.
export MSG_BROKER=$name MSG_BROKER_POLICY=require
for i in 1 2; do
	msg echo --count 3 --timeout 50 desk.prices \
		>"$work/said$i" 2>"$work/heard$i" &
	pids+=($!)
done
until grep -q listening "$work/heard1" && grep -q listening "$work/heard2"; do
	sleep 0.1
done 2>/dev/null
# Two subscribers, one topic, one group joined.
until msg info --json --interval 0 | grep '"topics":1,"groups":1' >/dev/null; do
	sleep 0.1
done

# From outside, straight from the lane: as another host would.
printf '%s\n' 101.5 101.7 101.6 |
	MSG_BROKER_POLICY=never msg pub --quiet --interface lo --lane udp desk.prices
wait "${pids[1]}" "${pids[2]}"

paste "$work/said1" "$work/said2"
cmp "$work/said1" "$work/said2"
