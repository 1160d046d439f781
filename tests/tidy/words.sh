#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# words.sh - no trailing blanks, no marks of work undone, no path of anybody's
# machine, every script parses.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t all < <(files . | grep -vE '^tests/fuzz/corpus/|\.hex$')

# look TEXT PATTERN FILE...
look() {
	local text=$1 pattern=$2 line
	shift 2
	while read -r line; do
		complain "$(cut -d : -f 1,2 <<<"$line"): $text:" \
			"$(cut -d : -f 3- <<<"$line" | cut -c 1-60)"
	done < <(grep -nHIE -- "$pattern" "$@" || true)
}

look 'trailing blank' '[[:blank:]]+$' "${all[@]}"
look 'carriage return' $'\r' "${all[@]}"
# Spelled so that this file does not hold them.
look 'a mark of work undone' '\b(TO''DO|FIX''ME|X''XX|HA''CK)\b' "${all[@]}"

# In the emulated machine these are paths like any other.
mapfile -t outside < <(printf '%s\n' "${all[@]}" |
	grep -vE '^tests/softroce/(init|guest\.sh)$')
look "somebody's machine" \
	'(^|[^[:alnum:]_$"}/.])/(wo''rk|ho''me|ro''ot)/[[:alnum:].]' "${outside[@]}"

# Which shell each script is for, read at once.
while IFS=: read -r file shell; do
	complain_all < <("${shell##*/}" -n "$file" 2>&1)
done < <(awk 'FNR == 1 && /^#!\/bin\/(ba)?sh/ {
	print FILENAME ":" substr($1, 3) }' "${all[@]}")

verdict "words of ${#all[@]} files"
