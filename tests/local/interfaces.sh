#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# interfaces.sh - a node hears its own interface: what comes in on veth0 is for
# the subscriber there, and not for the one on loopback beside it, though topic,
# group and port are the same.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/hosts.sh"

# With sockets that share a port the kernel may choose one by a hash of the
# sender's address and port: many senders, so that no choice hides.
senders=12
start named on "$b" echo inter.face --bare --interface veth0 \
	--count $senders --timeout 60
start loopback on "$b" echo inter.face --bare
listening named
listening loopback
check "loopback unless told" grep -q 'on lo ' "$work/loopback.err"
for ((i = 1; i <= senders; i++)); do
	(on "$a" pub -q inter.face --interface veth0 --wait-ms 0 -m "from $i") ||
		fail "pub: exit $?"
done
finish named 65
named=$code
kill -INT "${pids[loopback]}"
finish loopback
is "what came in over veth0, heard on loopback" "" "$(cat "$work/loopback.out")"
is "exit of the subscriber on veth0" 0 "$named"

# And the other way round: what loopback carries does not appear on veth0.
start named on "$b" echo inter.back --bare --interface veth0
start loopback on "$b" echo inter.back --bare --count $senders --timeout 60
listening named
listening loopback
for ((i = 1; i <= senders; i++)); do
	(on "$b" pub -q inter.back --wait-ms 0 -m "from $i") ||
		fail "pub: exit $?"
done
finish loopback 65
is "exit of the subscriber on loopback" 0 $code
kill -INT "${pids[named]}"
finish named
is "what loopback carried, heard on veth0" "" "$(cat "$work/named.out")"
