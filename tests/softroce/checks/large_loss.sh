#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# large_loss.sh - large messages of a reliable topic between two machines, over a
# wire that loses frames: each is read whole, by two subscribers of one device.
. "$(dirname "$0")/common.sh"
need_built "$msg"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The same on both machines: some 230 KB, and half of that.
seq 1 40000 >"$work/a"
seq 1 20000 >"$work/b"

if [ "$SOFTROCE_SIDE" = left ]; then
	barrier.sh listening
	direct pub --reliability reliable --large 4Mi --give-up-ms 60000 \
		--linger 60 --file "$work/a" pair.large "$work/b"
	barrier.sh finished 300
	exit 0
fi
for name in one two; do
	listen $name direct --large 4Mi --give-up-ms 60000 --raw --count 2 \
		--timeout 200 pair.large
done
barrier.sh listening
cat "$work/a" "$work/b" >"$work/both"
heard one "$work/both"
heard two "$work/both"
barrier.sh finished
