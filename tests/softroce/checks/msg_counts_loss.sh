#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# msg_counts_loss.sh LOSS - across a wire that loses LOSS percent of the frames
# by seed, each of three subscribers accounts for every message.
#
# Runs on the host and boots a pair: the left one publishes, the right one has
# three subscribers on one device.  What the wire loses is lost to all three
# alike, so their accounts must be the same, and
#
#     delivered + lost == published              for each subscriber
#     lost <= frames the relay dropped <= lost + announcements
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
loss=${1:?percent}
count=600
[ -x "$BUILD/libmsg/tool/msg" ] || { echo "msg is not built"; exit 77; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'kill $! 2>/dev/null; wait; exit 143' TERM INT

# Each line is sent by itself, so it is a frame of its own.
left="barrier.sh joined
	seq 1 $count | $BUILD/libmsg/tool/msg pub --device rxe0 --rate 100 \
		--linger 2 pair.all
	barrier.sh sent"
# shellcheck disable=SC2016 # for the guest
right='pids=()
	for i in 1 2 3; do
		'$BUILD'/libmsg/tool/msg echo --device rxe0 --json pair.all \
			>/out/$i 2>/out/$i.err &
		pids+=($!)
	done
	for i in 1 2 3; do
		until grep -qs "listening to" /out/$i.err; do sleep 0.1; done
	done
	barrier.sh joined; barrier.sh sent 120; sleep 1
	kill -INT "${pids[@]}"; wait'
read -ra machine <<<"${MACHINE_OPTIONS:-}"
"$(dirname "$0")/../pair.sh" --build "$BUILD" "${machine[@]}" \
	--loss "$loss" --seed 11 --multicast-only --from left --out "$out" \
	--left "$left" --right "$right" &
wait $! || fail "the machines failed"

for i in 1 2 3; do
	account "$i" "$out" "$count"
	[ "$lost" = "$(number lost "$out/right/1")" ] ||
		fail "subscribers differ in what they lost"
done
as_lossy_as "$loss"
