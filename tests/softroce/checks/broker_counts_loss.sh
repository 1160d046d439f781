#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_counts_loss.sh LOSS - from a broker of one machine to that of another,
# across a wire that loses LOSS percent of the frames by seed, each of three
# subscribers accounts for every message.
#
# Runs on the host and boots a pair.  On the left a publisher writes into its
# broker's memory and the broker sends it on; on the right a broker receives once
# for three.  What the wire loses is lost to all three alike:
#
#     delivered + lost == published              for each subscriber
#     the three write the same lines: the same messages, the same gaps
#     lost <= frames the relay dropped <= lost + announcements
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"

# In the machines; $1 is the side.
side() {
	local i
	start_broker
	if [ "$1" = left ]; then
		barrier.sh joined
		seq 1 "$count" | through pub --rate 100 --linger 2 pair.all
		barrier.sh sent
		return
	fi
	for i in 1 2 3; do
		listen $i through --json pair.all
	done
	[ "$(queue_pairs "$broker")" = 3 ] || fail "more than three queue pairs"
	barrier.sh joined
	barrier.sh sent 120
	sleep 1
	through info -t 0 --json "$work/b.sock" >/out/info
	kill -INT "${pids[@]}"
	wait "${pids[@]}" || true
	for i in 1 2 3; do cp "$work/$i" /out/$i; done
}
count=600
case ${1:?percent} in left | right) side "$1"; exit ;; esac

loss=$1
need_built "$msg" "$msgbrokerd"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'kill $! 2>/dev/null; wait; exit 143' TERM INT
read -ra machine <<<"${MACHINE_OPTIONS:-}"
"$(dirname "$0")/../pair.sh" --build "$BUILD" "${machine[@]}" --env BUILD \
	--timeout 140 \
	--loss "$loss" --seed 11 --multicast-only --from left --out "$out" \
	--left "$0 left" --right "$0 right" &
wait $! || fail "the machines failed"

for i in 1 2 3; do
	account "$i" "$out" "$count"
	sed '/"event":"summary"/d' "$out/right/$i" >"$out/$i"
	cmp "$out/1" "$out/$i" || fail "subscribers differ in what they lost"
done
feed=$(grep -o '"feeds":.*' "$out/right/info" | grep -o '"lost":[0-9]*' |
	head -n 1)
echo "the broker's own count: $feed"
[ "$feed" = "\"lost\":$(number lost "$out/right/1")" ] ||
	fail "the broker counts otherwise"
as_lossy_as "$loss"
