#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# two_hosts.sh - two network namespaces joined by veth: pub in one, echo in the
# other, and nothing on an interface that was not named.
. "${BASH_SOURCE%/*}/lib.sh"

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
command -v ip >/dev/null || skip "no ip command (iproute2)"
unset MSG_INTERFACE MSG_LANE
a=msg-a-$$ b=msg-b-$$
ip netns add "$a" 2>"$work/ip.err" ||
	skip "no network namespaces here: $(cat "$work/ip.err")"
remove() {
	local name
	for name in "${!pids[@]}"; do
		kill "${pids[$name]}" 2>/dev/null
	done
	wait
	pids=()
	ip netns del "$a" 2>/dev/null
	ip netns del "$b" 2>/dev/null
	cleanup
}
trap remove EXIT
ip netns add "$b" || fail "no second namespace"
ip link add veth0 netns "$a" type veth peer name veth0 netns "$b" \
	2>"$work/ip.err" || skip "no veth here: $(cat "$work/ip.err")"
ip -n "$a" address add 10.77.0.1/24 dev veth0
ip -n "$b" address add 10.77.0.2/24 dev veth0
for host in "$a" "$b"; do
	ip -n "$host" link set lo up
	ip -n "$host" link set veth0 up
done
running() { ip -n "$1" link show veth0 | grep -q LOWER_UP; }
await 10 running "$a"
await 10 running "$b"

on() {
	local host=$1
	shift
	exec ip netns exec "$host" "$MSG" "$@"
}
start exact on "$b" echo two.exact --bare --count 200 --timeout 30 \
	--interface veth0
start pattern on "$b" echo 'two.>' --bare --count 200 --timeout 30 \
	--interface 10.77.0.2
start loopback on "$b" echo two.exact --timeout 60
for name in exact pattern loopback; do
	listening $name
done
check "the lane is said" grep -q 'on veth0 (10.77.0.2)' "$work/exact.err"
check "loopback unless told" grep -q 'on lo ' "$work/loopback.err"
seq 1 200 >"$work/wanted"
(on "$a" pub -q two.exact --interface veth0 --rate 1k --wait-ms 500 \
	<"$work/wanted") || fail "pub: exit $?"
for name in exact pattern; do
	finish $name 35
	is "exit of $name" 0 $code
	check "$name misses something" cmp "$work/wanted" "$work/$name.out"
done
kill -INT "${pids[loopback]}"
finish loopback
is "what came over loopback" "" "$(cat "$work/loopback.out")"

# The directory and round trips cross as well.
start linger on "$a" pub two.listed --interface veth0 -m x --linger 60
listed() {
	(on "$b" list -q two.listed --interface veth0 --wait 0.3) |
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
