#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# pingpong.sh ud|rc - 500 messages go to and fro, on one machine or a pair.
. "$(dirname "$0")/common.sh"
program=ibv_$1_pingpong
need "$program" ibverbs-utils

options=(-d rxe0 -g "$(gid_index)" -n 500 -s 1000)
[ "$1" != ud ] || options+=(-r 100)

# The client meets the server over TCP, which may not listen yet.
client() {
	local try
	for try in 1 2 3 4 5; do
		sleep 0.5
		"$program" "${options[@]}" "$1" && return
	done
	fail "no answer from $1 in $try tries"
}

case ${SOFTROCE_SIDE:-} in
left) "$program" "${options[@]}" ;;
right) client "$SOFTROCE_PEER" ;;
*)
	"$program" "${options[@]}" &
	client "$SOFTROCE_ADDRESS"
	wait $! ;;
esac
[ -z "${SOFTROCE_SIDE:-}" ] || barrier.sh pingpong_done
