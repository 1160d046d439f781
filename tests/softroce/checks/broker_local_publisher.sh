#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_local_publisher.sh - what a local publisher sends comes to subscribers
# behind its broker once, by shared memory, and with the same bytes by multicast
# to one that has the device for itself.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
count=300
start_broker
make_messages
seq 1 $count >"$work/wanted"
cat "$work"/m.? >"$work/wanted.raw"

# A second copy of a message would stand among the others.
for name in one two direct; do
	lane=through
	[ $name != direct ] || lane=direct
	listen $name $lane --bare --count $((2 * count)) --require loss=0 \
		--timeout 60 a.b
	listen raw.$name $lane --raw --count 8 --require loss=0 --timeout 60 a.c
done
# Alone, each is an entry of the ring; eight at once are one packed frame.
through pub --rate 100 --linger 1 a.b <"$work/wanted"
through pub --rate 200 --batch 8 --linger 1 a.b <"$work/wanted"
through pub --rate 8 --max-bytes 64Ki --linger 1 \
	-f "$work/m.0" a.c "$work"/m.[1-7]
cat "$work/wanted" "$work/wanted" >"$work/wanted.twice"
for name in one two direct; do
	heard $name "$work/wanted.twice"
	heard raw.$name "$work/wanted.raw"
done
