#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh - check a model to the end, then break it and see that it notices.
#
#     run.sh WORK_FOLDER ring|repair                nothing may be wrong
#     run.sh WORK_FOLDER ring EPOCH|MESSAGES_5|WIDE the same, within other
#     run.sh WORK_FOLDER repair LATE|GONE|TWO|WIDE  bounds
#     run.sh WORK_FOLDER MODEL MUTANT_NAME [BOUNDS] it must be
#
# Of repair it is checked too that no run goes round in circles: then "each run
# ends well" is more than "no run ends badly".
#
# ring, with three slots and two subscribers, to the end: by default 15.4 million
# states (35 s, 1.2 GB), EPOCH 11.8 (29 s), MESSAGES_5 12.6 (46 s), WIDE 50.0
# (237 s, 2.5 GB), all beside other work on two cores.  repair, WIDE: 1.11 million
# for safety (109 s), 2.23 for circles (362 s, 0.8 GB), at nice 19.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$1
model=$2
choice=${3:-}
bounds=${4:-}

for tool in spin gcc; do
	if ! command -v "$tool" >/dev/null; then
		echo "SKIP model: no $tool here"
		exit 77
	fi
done
rm -rf "$work"
mkdir -p "$work"
cd "$work"
spin ${choice:+-D$choice} ${bounds:+-D$bounds} -a "$here/$model.pml" \
	>spin.log 2>&1 || {
	cat spin.log
	exit 1
}

# check WAY COMPILER_OPTIONS PAN_OPTIONS: sets errors
check() {
	gcc -O2 -w $2 -DCOLLAPSE -DMEMLIM=6000 -o "pan_$1" pan.c
	timeout 900 "./pan_$1" -m100000 -w26 $3 >"$1.log"
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$1.log")
	echo "$1:"
	grep 'State-vector\|states, stored\|total actual\|elapsed time\|pan:1\|error: max' \
		"$1.log" || true
	if grep -q 'error: max search depth' "$1.log"; then
		echo "model: not all was seen"
		exit 1
	fi
}

check safety -DSAFETY ""
case $choice in
MUTANT_*)
	# Nothing but a broken promise counts: not a depth that was too small.
	[ "$errors" -gt 0 ] &&
		grep -q 'assertion violated\|invalid end state' safety.log
	exit ;;
esac
[ "$errors" = 0 ]
if [ "$model" = repair ]; then
	check cycles -DNP -l
	[ "$errors" = 0 ]
fi
