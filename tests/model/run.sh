#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh - check ring.pml to the end, then break it and see that it notices.
#
#     run.sh WORK_FOLDER                  nothing may be wrong
#     run.sh WORK_FOLDER EPOCH|SLOTS_3    the same, within other bounds
#     run.sh WORK_FOLDER MUTANT_NAME      it must be
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$1
mutant=${2:-}

for tool in spin gcc; do
	if ! command -v "$tool" >/dev/null; then
		echo "SKIP model: no $tool here"
		exit 77
	fi
done
rm -rf "$work"
mkdir -p "$work"
cd "$work"
spin ${mutant:+-D$mutant} -a "$here/ring.pml" >spin.log 2>&1 || {
	cat spin.log
	exit 1
}
gcc -O2 -w -DSAFETY -DMEMLIM=6000 -o pan pan.c
timeout 900 ./pan -m100000 -w24 >pan.log
errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
grep 'State-vector\|states, stored\|pan:1\|error: max' pan.log || true
if grep -q 'error: max search depth' pan.log; then
	echo "model: not all was seen"
	exit 1
fi
case $mutant in
'' | EPOCH | SLOTS_3)
	[ "$errors" = 0 ] ;;
*)
	# Nothing but a broken promise counts: not a depth that was too small.
	[ "$errors" -gt 0 ] &&
		grep -q 'assertion violated\|invalid end state' pan.log ;;
esac
