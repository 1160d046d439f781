#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# reliable_loss.sh LOSS [COUNT] - a reliable topic across a wire that loses LOSS
# percent of all RoCE frames by seed, either way, repairs and reports included:
# each of two subscribers on one device gets every message, whole and in order.
#
# Runs on the host and boots a pair: the left one publishes, the right one
# listens.  Of a wire without loss nobody asks for anything twice over; of one
# with loss, both sides count what was repaired.  SEED replays a run.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"

# In the machines; $1 is the side.
side() {
	local sides=$BUILD/tests/local/reliable_sides i
	export MSG_BROKER_POLICY=never MSG_DEVICE=rxe0
	if [ "$1" = left ]; then
		barrier.sh joined 60
		"$sides" publish pair.reliable "$COUNT" "$SEED" 1 2000 0
		barrier.sh finished 300
		return
	fi
	for i in 1 2; do
		"$sides" subscribe pair.reliable "$COUNT" "$SEED" 0 \
			>/out/$i 2>&1 &
		pids[i]=$!
		await 30 grep -q ready /out/$i
	done
	barrier.sh joined 60
	for i in 1 2; do
		wait "${pids[i]}" || { cat /out/$i; fail "subscriber $i"; }
	done
	cat /out/1 /out/2
	barrier.sh finished 300
}
case ${1:?percent} in left | right) side "$1"; exit ;; esac

loss=$1
export COUNT=${2:-100000} SEED=${SEED:-$RANDOM$RANDOM}
echo "SEED=$SEED COUNT=$COUNT LOSS=$loss"
need_built "$BUILD/tests/local/reliable_sides"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'kill $! 2>/dev/null; wait; exit 143' TERM INT
read -ra machine <<<"${MACHINE_OPTIONS:-}"
"$(dirname "$0")/../pair.sh" --build "$BUILD" "${machine[@]}" --env BUILD \
	--env COUNT --env SEED --timeout 400 --loss "$loss" --seed "$SEED" \
	--out "$out" --left "$0 left" --right "$0 right" >"$out/log" 2>&1 &
wait $! || { cat "$out/log"; fail "the machines failed"; }
cat "$out/log"
for i in 1 2; do
	grep -q 'all came, 0 lost' "$out/right/$i" || fail "subscriber $i"
done
dropped=$(grep -o '"dropped":[0-9]*' "$out/relay.json" |
	awk -F : '{ sum += $2 } END { print sum }')
naks=$(sed -n 's/.* \([0-9]*\) naks.*/\1/p' "$out/log" | head -n 1)
echo "the wire dropped $dropped frames; $naks times frames were asked for"
if [ "$loss" = 0 ]; then
	[ "$dropped" = 0 ] || fail "a wire without faults dropped frames"
else
	[ "$dropped" -gt 0 ] || fail "nothing was lost: the wire was too good"
	[ "$naks" -gt 0 ] || fail "nobody asked"
fi
