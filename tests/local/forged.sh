#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# forged.sh - a stranger forges frames of a reliable topic that is published: each
# message comes once, in order, as it was sent; nothing else does; and nobody takes
# memory for him.  MSG_TEST_SEED replays what he says.
. "${BASH_SOURCE%/*}/lib.sh"

export MSG_BROKER_POLICY=never
seed=${MSG_TEST_SEED:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
echo "MSG_TEST_SEED=$seed"
# An emulated machine is given less to do.
count=${COUNT:-20000} forged=${FORGED:-20000}
rate=$((count / 4)) ms=3000

start subscriber "$SIDES" subscribe forged.topic $count "$seed" 0
await 20 grep -q ready "$work/subscriber.out"
start publisher "$SIDES" publish forged.topic $count "$seed" 0 1000 $rate
start forger "$FORGER" forged.topic $forged $ms "$seed"
await 20 grep -q begins "$work/publisher.out"

finish forger 60
is "exit of the forger" 0 $code
for side in publisher subscriber; do
	finish $side 60
	is "exit of the $side" 0 $code
done
cat "$work"/{forger,publisher,subscriber}.out
check "all came" grep -q "all came, 0 lost" "$work/subscriber.out"
for side in publisher subscriber; do
	check "the $side met forged frames" \
		grep -Eq '^[1-9][0-9]* unbelieved' "$work/$side.out"
	check "the $side took no memory for who forges" \
		grep -Eq '^-?[0-9]{1,3} KiB more' "$work/$side.out"
done
