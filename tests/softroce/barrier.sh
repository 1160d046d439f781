#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# barrier.sh - wait until the other machine of a pair got here too.
#
#   barrier.sh NAME [SECONDS]      in a guest of pair.sh, where it is on PATH
#
# Both sides call it with the same NAME, each name once a run: the publisher
# before its first message, the subscriber after its join.  Each side leaves a
# file in the folder both machines share and waits for the other's; nothing
# goes over the wire, so a lossy or cut wire does not matter.
#
# Exits 0 when both are here, 1 after SECONDS (120), 2 outside of a pair.
set -euo pipefail

name=${1:?usage: barrier.sh NAME [SECONDS]} seconds=${2:-120}
case ${SOFTROCE_SIDE:-} in
left) other=right ;;
right) other=left ;;
*) echo "barrier.sh: not in a machine of a pair" >&2; exit 2 ;;
esac

: >"$SOFTROCE_SHARED/barrier.$name.$SOFTROCE_SIDE"
end=$((SECONDS + seconds))
while [ ! -e "$SOFTROCE_SHARED/barrier.$name.$other" ]; do
	if [ $SECONDS -ge $end ]; then
		echo "barrier.sh: $other did not reach $name" >&2
		exit 1
	fi
	sleep 0.05
done
