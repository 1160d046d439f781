#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_three_subscribers.sh - three processes behind a broker on an RDMA device
# get every message that a publisher without one sends, and cost the device no
# queue pairs of their own, and one membership of a group.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
count=300
start_broker
make_messages
seq 1 $count >"$work/wanted"
cat "$work"/m.? >"$work/wanted.raw"

for i in 1 2 3; do
	listen $i through --bare --count $count --timeout 60 --require loss=0 a.b
	listen raw$i through --raw --count 8 --timeout 60 --require loss=0 a.c
done
# The directory's, the one that all six read from, and its side link for repairs.
[ "$(queue_pairs "$broker")" = 3 ] || fail "queue pairs: $(rdma resource show qp)"
for i in 1 2 3; do
	[ "$(queue_pairs "${pids[$i]}")" = 0 ] || fail "a subscriber has its own"
done
two_groups() { [ "$(counts groups)" = 2 ]; }
await 5 two_groups
# What the kernel joined on their behalf: the directory and these two, once each.
joined=$(awk '$1 ~ /4DFFEF$/ { print $2 }' /proc/net/igmp | tr '\n' ' ')
[ "$joined" = "1 1 1 " ] || fail "groups joined: $(cat /proc/net/igmp)"

direct pub --rate 100 a.b <"$work/wanted" &
direct pub --rate 8 --max-bytes 64Ki --linger 1 \
	-f "$work/m.0" a.c "$work"/m.[1-7]
wait $!
for i in 1 2 3; do
	heard $i "$work/wanted"
	heard raw$i "$work/wanted.raw"
done
[ "$(counts starved)$(counts evicted | sort -u)" = 00 ] || fail "slots ran out"
