#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# veth.sh - the conformance suite on Ethernet: two cards joined by a cable, in a
# network namespace of its own, frames of 1500 bytes.
#
#   veth.sh COMMAND [ARGUMENT...]     with INTERFACE=veth0 in its environment, which
#                                     broker.sh heeds
set -euo pipefail

skip() { echo "SKIP veth: $*"; exit 77; }

if [ "${VETH_INSIDE:-}" != yes ]; then
	command -v unshare >/dev/null || skip "no unshare (util-linux)"
	command -v ip >/dev/null || skip "no ip command (iproute2)"
	unshare --net true 2>/dev/null || skip "network namespaces need root"
	VETH_INSIDE=yes exec unshare --net "$0" "$@"
fi
unset VETH_INSIDE
ip link add veth0 type veth peer name veth1 2>/dev/null || skip "no veth here"
ip address add 10.77.0.1/24 dev veth0
for card in lo veth0 veth1; do
	ip link set $card up
done
for ((i = 0; i < 100; i++)); do
	! ip link show veth0 | grep -q LOWER_UP || break
	sleep 0.1
done
INTERFACE=veth0 exec "$@"
