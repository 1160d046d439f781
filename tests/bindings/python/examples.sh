#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# examples.sh - the examples do what they say: hello prints its ten readings, plot
# draws both waves of its demonstration, as text and, where matplotlib is, into a file.
#
#   PYTHON=... SOURCE=... MSG_LIBRARY=... examples.sh
set -euo pipefail
: "${PYTHON:?}" "${SOURCE:?}" "${MSG_LIBRARY:?}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
examples=$SOURCE/bindings/python/examples
export HOME=$work MPLCONFIGDIR=$work PYTHONIOENCODING=utf-8

fail() {
	cat "$work/said"
	echo "FAIL: $*"
	exit 1
}

"$PYTHON" -X dev -W error "$examples/hello.py" >"$work/said" 2>&1 || fail hello
for i in 0 1 2 3 4 5 6 7 8 9; do
	echo "$i: 18$i.0 (0 lost before)"
done | diff - "$work/said" || fail 'hello printed something else'

"$PYTHON" "$examples/plot.py" >"$work/said" 2>&1 && fail 'plot without a topic'
grep -q '^usage:' "$work/said" || fail 'plot does not say how'
"$PYTHON" -X dev -W error "$examples/plot.py" --demo --text --for 2 \
	>"$work/said" 2>&1 || fail plot
for wave in saw sine; do
	# Both ends of the scale were drawn.
	grep -E "^demo\.$wave +-?[0-9.e-]+ \.\. .* got 0 lost .*█" "$work/said" |
		grep -q '▁' || fail "plot: no $wave"
done

if ! "$PYTHON" -c 'import matplotlib' 2>/dev/null; then
	echo 'SKIP plot with matplotlib: it is not here'
	exit 0
fi
"$PYTHON" "$examples/plot.py" --demo --for 2 --png "$work/plot.png" \
	>"$work/said" 2>&1 || fail 'plot --png'
"$PYTHON" -c "
import sys
from matplotlib.image import imread
seen = {tuple(int(255 * c) for c in p[:3]) for row in imread('$work/plot.png') for p in row}
# White, black, and a colour for each wave.
sys.exit(0 if len(seen) > 20 and (31, 119, 180) in seen and (255, 127, 14) in seen else 1)" ||
	fail 'the picture is empty'
