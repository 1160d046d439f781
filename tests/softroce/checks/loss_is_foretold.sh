#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# loss_is_foretold.sh - the relay drops what its seed says, no more, no less.
#
# Runs on the host.  The right machine multicasts, the left one receives; what
# rxe counted as sent there and received here must be what the relay saw and
# forwarded, and what it dropped must be what --foretell says of that seed.
# (mckey does not wait for its sends to end, so it may send less than asked.)
. "$(dirname "$0")/common.sh"
need mckey rdmacm-utils
faults=(--loss 10 --seed 7)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'kill $! 2>/dev/null; wait; exit 143' TERM INT

counters=/sys/class/infiniband/rxe0/ports/1/hw_counters
# shellcheck disable=SC2016 # for the guests
left='stdbuf -oL mckey -m 239.1.2.3 -b $SOFTROCE_ADDRESS -C 400 >/tmp/log &
	until grep -qs ^receiving /tmp/log; do sleep 0.1; done
	barrier.sh joined; barrier.sh sent; sleep 1; kill $!
	cat '$counters'/rcvd_pkts >/out/packets'
# shellcheck disable=SC2016
right='barrier.sh joined
	mckey -m 239.1.2.3 -b $SOFTROCE_ADDRESS -C 400 -s; sleep 1
	cat '$counters'/sent_pkts >/out/packets; barrier.sh sent'
read -ra machine <<<"${MACHINE_OPTIONS:-}"
"$(dirname "$0")/../pair.sh" --build "$BUILD" "${machine[@]}" "${faults[@]}" \
	--multicast-only --out "$out" --left "$left" --right "$right" &
wait $! || fail "the machines failed"

# count NAME: of the multicast frames from right to left.
count() {
	sed 's/.*"right_to_left".*"roce_multicast":{\([^}]*\)}.*/\1/' \
		"$out/relay.json" | tr , '\n' | sed -n "s/^\"$1\"://p"
}
seen=$(count seen) dropped=$(count dropped) forwarded=$(count forwarded)
sent=$(cat "$out/right/packets") received=$(cat "$out/left/packets")
echo "sent $sent, seen $seen, dropped $dropped, forwarded $forwarded," \
	"received $received"
[ "$seen" -gt 0 ] || fail "nothing was sent"
[ "$sent" = "$seen" ] || fail "the relay missed frames"
[ "$received" = "$forwarded" ] || fail "frames got lost beyond the relay"
relay=$BUILD/tests/softroce/softroce_relay
[ -x "$relay" ] || { echo "softroce_relay is not built"; exit 77; }
foretold=$("$relay" "${faults[@]}" --foretell "$seen")
echo "foretold: $foretold"
[[ $foretold == *"\"right_to_left\":{\"seen\":$seen,\"dropped\":$dropped,"* ]] ||
	fail "not what the seed says"
