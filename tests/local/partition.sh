#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# partition.sh - the cable between two hosts is pulled while a reliable topic is
# published, and put back (needs root): what the publisher still has is not lost,
# nobody is started again, and of what it has no more each message is told.
# SEED in the environment replays a run.
# shellcheck source=tests/local/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh" || exit 1
: "${SIDES:?is not set: the path of the program reliable_sides}"
case $SIDES in /*) ;; *) SIDES=$PWD/$SIDES ;; esac
case $WIRE in /*) ;; *) WIRE=$PWD/$WIRE ;; esac
seed=${SEED:-$RANDOM$RANDOM}
# shellcheck disable=SC2034 # hosts.sh wants it
wire="10 $seed"
echo "SEED=$seed"
# shellcheck source=tests/local/hosts.sh
. "$(dirname "${BASH_SOURCE[0]}")/hosts.sh"
export MSG_BROKER_POLICY=never MSG_INTERFACE=veth0

# run NAME COUNT RATE LOST SECONDS...: with cuts of so many seconds.
run() {
	local name=$1 count=$2 rate=$3 lost=$4 i length
	shift 4
	for i in 1 2; do
		start sub$i at "$b" "$SIDES" subscribe cut.$name "$count" \
			"$seed" "$lost"
		await 20 grep -q ready "$work/sub$i.out"
	done
	start pub at "$a" "$SIDES" publish cut.$name "$count" "$seed" 0 2000 \
		"$rate"
	await 20 grep -q ready "$work/pub.out"
	sleep 2.5
	for length in "$@"; do
		ip -n "$a" link set veth0 down
		sleep "$length"
		ip -n "$a" link set veth0 up
		sleep 1
	done
	for i in 1 2; do
		finish sub$i 60
		is "$name: exit of subscriber $i" 0 $code
		echo "$name: $i: $(tail -n 1 "$work/sub$i.out")"
	done
	finish pub 30
	is "$name: exit of the publisher" 0 $code
}

run short 4000 500 0 0.05 0.3 1 1
run long 200000 40000 200000 3
for i in 1 2; do
	check "the long cut lost nothing" \
		grep -q 'all came, [1-9][0-9]* lost in ' "$work/sub$i.out"
done
