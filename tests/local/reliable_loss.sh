#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# reliable_loss.sh - two hosts joined by a wire that loses by seed: of a reliable
# topic every subscriber gets every message, in order, whatever the wire loses.
#
# 10^5 messages at 0, 1 and 10 %; with MSG_TEST_LONG=1 10^6, at 0.1, 5 and 20 %
# too.  MSG_TEST_SEED replays a run.
. "${BASH_SOURCE%/*}/lib.sh"

: "${WIRE:?is not set: the path of the program lossy_wire}"
case $WIRE in /*) ;; *) WIRE=$PWD/$WIRE ;; esac
[ "$(id -u)" = 0 ] || skip "network namespaces need root"
command -v ip >/dev/null || skip "no ip command (iproute2)"
unset MSG_INTERFACE MSG_LANE
export MSG_BROKER_POLICY=never
seed=${MSG_TEST_SEED:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
echo "MSG_TEST_SEED=$seed"
count=100000 rates='0 10 100'
[ -z "${MSG_TEST_LONG:-}" ] || { count=1000000 rates='0 1 10 50 100 200'; }
subscribers=4

a=msg-a-$$ b=msg-b-$$ w=msg-w-$$
remove() {
	local name
	for name in "${!pids[@]}"; do
		kill "${pids[$name]}" 2>/dev/null
	done
	wait
	pids=()
	for name in "$a" "$b" "$w"; do
		ip netns del "$name" 2>/dev/null
	done
	cleanup
}
ip netns add "$w" 2>"$work/ip.err" ||
	skip "no network namespaces here: $(cat "$work/ip.err")"
trap remove EXIT
ip netns add "$a" && ip netns add "$b" || fail "no more namespaces"
ip link add veth0 netns "$a" type veth peer name left netns "$w" \
	2>"$work/ip.err" || skip "no veth here: $(cat "$work/ip.err")"
ip link add veth0 netns "$b" type veth peer name right netns "$w"
ip -n "$a" address add 10.78.0.1/24 dev veth0
ip -n "$b" address add 10.78.0.2/24 dev veth0
for host in "$a" "$b"; do
	ip -n "$host" link set lo up
	# Each datagram by itself on the wire.
	ip -n "$host" link set veth0 gso_max_segs 1 2>/dev/null
	ip -n "$host" link set veth0 up
done
for end in left right; do
	ip -n "$w" link set $end up
done
running() { ip -n "$1" link show "$2" | grep -q LOWER_UP; }
await 10 running "$a" veth0
await 10 running "$b" veth0

on() {
	local host=$1
	shift
	exec ip netns exec "$host" "$MSG" "$@"
}

seq 1 $count >"$work/wanted"
for permille in $rates; do
	start wire ip netns exec "$w" "$WIRE" left right $permille $seed
	await 10 grep -q ready "$work/wire.out"
	for ((i = 0; i < subscribers; i++)); do
		start sub$i on "$b" echo lossy.all --bare --count $count \
			--timeout 200 --interface veth0 --give-up-ms 20000
		listening sub$i
	done
	begin=$(date +%s.%N)
	(on "$a" pub lossy.all --interface veth0 --reliability reliable \
		--flow $subscribers --give-up-ms 20000 --batch 16 \
		--wait-ms 500 <"$work/wanted") 2>"$work/pub.err" ||
		fail "pub at $permille per mille: exit $?"
	for ((i = 0; i < subscribers; i++)); do
		finish sub$i 210
		is "exit of subscriber $i at $permille per mille" 0 $code
		check "subscriber $i misses or reorders at $permille per mille" \
			cmp "$work/wanted" "$work/sub$i.out"
		check "summary of subscriber $i" \
			grep -q "$count messages.* 0 lost" "$work/sub$i.err"
	done
	kill "${pids[wire]}"
	finish wire
	echo "$permille per mille: $(date +%s.%N |
		awk -v b="$begin" '{ printf "%.1f s", $1 - b }');" \
		"$(grep -h 'repairs' "$work/pub.err" | head -1)"
	sed 's/^/    wire /' "$work/wire.out" | grep -v ready
done
