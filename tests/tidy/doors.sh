#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# doors.sh - doors between the rooms open one way; doors.awk holds the plan.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t sources < <(files '^(libmsg|examples|bindings|broker)/.*\.(c|h|hpp|cpp)$')
count=0
while read -r line; do
	case $line in
	'count '*) count=${line#count } ;;
	*) complain "$line" ;;
	esac
done < <(awk -f "$here/doors.awk" "${sources[@]}")
[ "$count" -gt 0 ] || complain "libmsg:1: no includes found"

verdict "doors of $count includes"
