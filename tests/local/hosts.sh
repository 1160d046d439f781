# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# hosts.sh - two hosts as two network namespaces $a and $b, joined by veth0 in
# each (10.77.0.1, 10.77.0.2).  Sourced after lib.sh; skips when it cannot.
#
# With wire="PER_MILLE SEED" the cable between them is lossy_wire.c, in a third
# namespace; what it carried and lost is in $work/wire.out when it has ended.
#
#   on HOST COMMAND...    run the tool there, in place of this shell
#   at HOST COMMAND...    the same for any program

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
command -v ip >/dev/null || skip "no ip command (iproute2)"
unset MSG_INTERFACE MSG_LANE
a=msg-a-$$ b=msg-b-$$ w=msg-w-$$
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
	ip netns del "$w" 2>/dev/null
	cleanup
}
trap remove EXIT
ip netns add "$b" || fail "no second namespace"
if [ -n "${wire:-}" ]; then
	ip netns add "$w" || fail "no third namespace"
	ip link add veth0 netns "$a" type veth peer name left netns "$w" \
		2>"$work/ip.err" || skip "no veth here: $(cat "$work/ip.err")"
	ip link add veth0 netns "$b" type veth peer name right netns "$w"
	for side in left right; do
		# Nothing of its own goes into the cable.
		ip netns exec "$w" sysctl -q -w \
			net.ipv6.conf.$side.disable_ipv6=1 2>/dev/null
		ip -n "$w" link set $side up
	done
	# shellcheck disable=SC2086
	start wire ip netns exec "$w" "${WIRE:?is not set: lossy_wire}" \
		left right $wire
	await 10 grep -q ready "$work/wire.out"
else
	ip link add veth0 netns "$a" type veth peer name veth0 netns "$b" \
		2>"$work/ip.err" || skip "no veth here: $(cat "$work/ip.err")"
fi
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

at() {
	local host=$1
	shift
	exec ip netns exec "$host" "$@"
}
