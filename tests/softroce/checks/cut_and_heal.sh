#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# cut_and_heal.sh - wire.sh parts the two machines of a pair and joins them.
#
# The left side listens on TCP and never answers more than a connect; the right
# side connects before, during and after the cut.
. "$(dirname "$0")/common.sh"
port=5000

# Its address resolution must not be remembered, or the cut would show only in
# the connect; either way the connect fails.
reachable() {
	timeout 3 bash -c "exec 3<>/dev/tcp/$SOFTROCE_PEER/$port" 2>/dev/null
}

if [ "$SOFTROCE_SIDE" = left ]; then
	busybox nc -ll -p $port -e true &
	barrier.sh listening
	barrier.sh finished
	exit 0
fi
barrier.sh listening
sleep 0.5
reachable || fail "not reachable at first"
wire.sh cut
! reachable || fail "reachable though cut"
wire.sh heal
sleep 0.5
reachable || reachable || reachable || fail "not reachable once healed"
barrier.sh finished
