#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# channel_cut.sh COUNT - a connection of two machines over a wire that loses
# frames is complete and in order; when the wire is cut, who hangs up has all
# that was under way back at once.
. "$(dirname "$0")/common.sh"
count=$1
talk=$BUILD/tests/channel/channel_talk
[ -x "$talk" ] || { echo "channel_talk is not built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$SOFTROCE_SIDE" = left ]; then
	serve() {
		"$talk" rxe0 serve "$count" >"$work/out" 2>&1 ||
			echo "the server failed: $(cat "$work/out")"
	}
	serve &
	server=$!
	until grep -q serving "$work/out"; do
		kill -0 $server || { cat "$work/out"; fail "the server"; }
		sleep 0.1
	done
	barrier.sh serving
	barrier.sh finished 220
	kill $server 2>/dev/null || true
	exit 0
fi
barrier.sh serving
"$talk" rxe0 call "$SOFTROCE_PEER" "$count" >"$work/out" &
caller=$!
until grep -q talked "$work/out"; do
	kill -0 $caller 2>/dev/null || { cat "$work/out"; fail "the caller"; }
	sleep 0.1
done
wire.sh cut
wait $caller || { cat "$work/out"; fail "the caller, after the cut"; }
cat "$work/out"
wire.sh heal
barrier.sh finished
