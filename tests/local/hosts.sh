# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# hosts.sh - two hosts as two network namespaces $a and $b, joined by veth0 in
# each (10.77.0.1, 10.77.0.2).  Sourced after lib.sh; skips when it cannot.
#
#   on HOST COMMAND...    run the tool there, in place of this shell

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
