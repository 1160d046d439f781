#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_large_rest.sh - a broker's memory for large messages of other hosts is there
# while somebody wants some, and goes when nobody has wanted any topic for a while.
# shellcheck source=tests/local/brokers_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/brokers_lib.sh" || exit 1

has_area() { grep -q 'memfd:msg-large' "/proc/${pids[left]}/maps"; }
has_none() { ! has_area; }
want() { # want TOPIC
	start echo at "$a" env MSG_BROKER_POLICY=require \
		MSG_BROKER="$place/left.sock" "$MSG" echo --large 1Mi "$1"
}

: >"$work/empty.conf"
serve "$a" left
check "memory for large messages that nobody wants" has_none
for i in 1 2; do
	want rest.topic
	await 10 has_area
	kill "${pids[echo]}"
	finish echo
	sleep 5
	check "$i: it went at once" has_area
	await 15 has_none
done
# Who comes in between keeps it.
want rest.topic
await 10 has_area
kill "${pids[echo]}"
finish echo
sleep 5
want rest.other
sleep 10
check "it went though somebody wants it" has_area
echo "it goes, and comes again"
