#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# two_hosts.sh - two network namespaces joined by veth: pub in one, echo in the
# other; the directory, round trips and doctor cross too.
. "${BASH_SOURCE%/*}/lib.sh"

. "${BASH_SOURCE%/*}/hosts.sh"

start exact on "$b" echo two.exact --bare --count 200 --timeout 50 \
	--interface veth0
start pattern on "$b" echo 'two.>' --bare --count 200 --timeout 50 \
	--interface 10.77.0.2
for name in exact pattern; do
	listening $name
done
check "the lane is said" grep -q 'on veth0 (10.77.0.2)' "$work/exact.err"
seq 1 200 >"$work/wanted"
(on "$a" pub -q two.exact --interface veth0 --rate 1k "${to_patterns[@]}" \
	<"$work/wanted") || fail "pub: exit $?"
for name in exact pattern; do
	finish $name 55
	is "exit of $name" 0 $code
	check "$name misses something" cmp "$work/wanted" "$work/$name.out"
done

# The directory and round trips cross as well.
start linger on "$a" pub two.listed --interface veth0 -m x --linger 60
listed() {
	(on "$b" list -q two.listed --interface veth0 --wait 1.2) |
		grep -q '^two.listed'
}
await 15 listed
start pong on "$b" bench roundtrip --role pong --interface veth0
(on "$a" bench roundtrip --role ping --block --count 100 --warmup 0 \
	--interface veth0 --require loss=0) >"$work/ping.out" \
	2>"$work/ping.err" || fail "ping: exit $?"
(on "$a" doctor --interface veth0) >"$work/doctor.out"
[ $? -le 1 ] || fail "doctor on veth0 failed"
check "doctor's message" grep -q '^ok *multicast' "$work/doctor.out"
check "doctor's interface" grep -q '^ok *interface.*veth0: up' \
	"$work/doctor.out"
