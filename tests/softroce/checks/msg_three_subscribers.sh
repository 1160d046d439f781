#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# msg_three_subscribers.sh - three processes on one device get every message.
#
# One queue pair each on the same group: the device hands each its own copy.
# Emulated, so the pace is low: a receive queue that runs dry loses silently.
. "$(dirname "$0")/common.sh"
msg=$BUILD/libmsg/tool/msg
[ -x "$msg" ] || { echo "the program msg is not built"; exit 77; }
count=400
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

seq 1 $count >"$work/wanted"
for i in 1 2 3; do
	"$msg" echo --device rxe0 --bare --count $count --timeout 60 \
		--require loss=0 three.all >"$work/$i" 2>"$work/$i.err" &
	pids[i]=$!
done
for i in 1 2 3; do
	until grep -qs 'listening to' "$work/$i.err"; do sleep 0.1; done
done
"$msg" pub --device rxe0 --rate 200 three.all <"$work/wanted"
for i in 1 2 3; do
	wait "${pids[i]}" || { cat "$work/$i.err"; fail "subscriber $i"; }
	cmp "$work/wanted" "$work/$i" || fail "subscriber $i: other messages"
	tail -n 1 "$work/$i.err"
done
