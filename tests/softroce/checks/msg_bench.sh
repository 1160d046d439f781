#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# msg_bench.sh - the benchmark runs on an RDMA device, loses nothing at a pace
# the emulation can keep, and judges by its requirements.
. "$(dirname "$0")/common.sh"
msg=$BUILD/libmsg/tool/msg
[ -x "$msg" ] || { echo "the program msg is not built"; exit 77; }

"$msg" bench latency --device rxe0 --block --rate 100 --count 300 \
	--require loss=0
"$msg" bench throughput --device rxe0 --block --rate 1k --count 2000 \
	--batch 8 --require loss=0
code=0
"$msg" bench latency --device rxe0 --block --rate 100 --count 50 \
	--require p50=1ns || code=$?
[ $code = 1 ] || fail "a requirement nobody can meet: exit $code"
