#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# in_namespace.sh COMMAND [ARG...] - run COMMAND in a network of its own.
#
# A network namespace with loopback and a veth pair udmc0 (10.99.0.1, fd99::1),
# its peer udmc1 up but unused; IPv6 multicast has a route on loopback, which
# the host's network commonly lacks.  Nothing sent in there leaves the machine, and the
# namespace ends with COMMAND.  Exit status: COMMAND's, or 77 when namespaces
# are not to be had.
set -u
PATH=$PATH:/usr/sbin:/sbin

unshare -rn true 2>/dev/null || {
	echo "SKIP: cannot make a network namespace"
	exit 77
}
exec unshare -rn bash -c '
	ip link set lo up &&
	ip -6 route add local ff00::/8 dev lo table local &&
	ip link add udmc0 type veth peer name udmc1 &&
	ip addr add 10.99.0.1/24 dev udmc0 &&
	ip addr add fd99::1/64 dev udmc0 nodad &&
	ip link set udmc0 up && ip link set udmc1 up || {
		echo "SKIP: cannot make the interfaces"
		exit 77
	}
	exec "$@"' namespace "$@"
