#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# wire.sh - cut the wire between the two machines of a pair, or heal it.
#
#   wire.sh cut [left|right]       drop all frames, or those this side sends
#   wire.sh heal [left|right]
#
# In a guest of pair.sh, where it is on PATH.  The relay looks for the files
# made here before each frame, so what is sent after this returns meets the
# new state; what was sent before may be in the wire still.
set -euo pipefail

case ${1:-} in
cut | heal) ;;
*) echo "usage: wire.sh cut|heal [left|right]" >&2; exit 2 ;;
esac
[ -n "${SOFTROCE_SHARED:-}" ] ||
	{ echo "wire.sh: not in a machine of a pair" >&2; exit 2; }
for side in ${2:-left right}; do
	if [ "$1" = cut ]; then
		: >"$SOFTROCE_SHARED/cut.$side"
	else
		rm -f "$SOFTROCE_SHARED/cut.$side"
	fi
done
