#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# memlock_limit.sh - with --memlock 64 more than that is refused for RDMA.
. "$(dirname "$0")/common.sh"
need ibv_rc_pingpong ibverbs-utils

[ "$(ulimit -l)" = 64 ] || fail "the limit is $(ulimit -l), not 64"
! output=$(timeout 10 ibv_rc_pingpong -d rxe0 -g "$(gid_index)" \
	-s 1000000 2>&1) || fail "1 MB was registered all the same"
echo "$output"
[[ $output == *"Couldn't"* ]] || fail "refused for another reason"
