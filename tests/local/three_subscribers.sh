#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# three_subscribers.sh - three processes each get every message, in order.
. "${BASH_SOURCE%/*}/lib.sh"

count=2000
for i in 1 2 3; do
	start sub$i "$MSG" echo three.all --bare --count $count --timeout 50 \
		--require loss=0
done
for i in 1 2 3; do
	listening sub$i
done
seq 1 $count >"$work/wanted"
"$MSG" pub -q three.all --rate 5k <"$work/wanted" || fail "pub: exit $?"
for i in 1 2 3; do
	finish sub$i 55
	is "exit of subscriber $i" 0 $code
	check "subscriber $i misses or reorders" \
		cmp "$work/wanted" "$work/sub$i.out"
	check "summary of subscriber $i" \
		grep -q "$count messages.* 0 lost" "$work/sub$i.err"
done
