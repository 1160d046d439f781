#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# multicast.sh - two receivers in one group each get every message.
. "$(dirname "$0")/common.sh"
need mckey rdmacm-utils

options=(-m 239.1.2.3 -b "$SOFTROCE_ADDRESS" -C 10)
log=$(mktemp -d)
stdbuf -oL mckey "${options[@]}" >"$log/1" &
first=$!
stdbuf -oL mckey "${options[@]}" >"$log/2" &
second=$!
for ((i = 0; i < 100; i++)); do
	[ "$(grep -ls '^receiving' "$log"/* | wc -l)" != 2 ] || break
	sleep 0.1
done
mckey "${options[@]}" -s
# A receiver ends when it has all messages, else the time limit ends it.
wait "$first" || fail "the first receiver failed"
wait "$second" || fail "the second receiver failed"
