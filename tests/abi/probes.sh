#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# probes.sh - libmsg.so has the probes of msg_probes(7), with so many arguments,
# and no others, and msgbrokerd some of them; each is a nop.
set -euo pipefail
: "${READELF:?}" "${SOURCE:?}" "${SHARED:?}" "${BROKER:?}" "${PROBES?}"
export LC_ALL=C

if [ "$PROBES" != 1 ]; then
	echo "SKIP probes: they are not compiled in: no <sys/sdt.h>"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ".It Sy send , queue Pq publisher , bytes" has two, with two arguments each.
awk '/^\.It Sy .* Pq / {
	count = 0; arguments = 1; behind = 0
	for (i = 3; i <= NF; i++) {
		if ($i == "Pq") behind = 1
		else if ($i != ",") { if (!behind) names[count++] = $i }
		else if (behind) arguments++
	}
	for (i = 0; i < count; i++) print names[i], arguments
}' "$SOURCE/libmsg/man/msg_probes.7" | sort >"$work/told"
[ "$(wc -l <"$work/told")" -ge 9 ] || { echo "FAIL: page unread"; exit 1; }

for program in "$SHARED" "$BROKER"; do
	"$READELF" --wide -n "$program" | awk '
		/Provider: / { provider = $NF }
		/Name: / { name = $2 }
		/Location: / { at = $2; sub(",", "", at) }
		/Arguments:/ { print provider, name, at, NF - 1 }' >"$work/notes"
	awk '$1 == "libmsg" { print $2, $4 }' "$work/notes" | sort -u >"$work/has"
	cp "$work/told" "$work/wanted"
	[ "$program" = "$SHARED" ] ||
		grep -E '^(frame_in|frame_out|report|repair) ' "$work/told" >"$work/wanted"
	diff "$work/wanted" "$work/has" || {
		echo "FAIL: msg_probes(7) (<) and ${program##*/} (>) differ"
		exit 1
	}
	# The text's place in the file, and the byte at each location: 0x90.
	read -r address offset < <("$READELF" --wide -S "$program" | sed 's/^ *\[ *[0-9]*\]//' |
		awk '$1 == ".text" { print $3, $4 }')
	[ "$(uname -m)" = x86_64 ] || continue
	while read -r _ name at _; do
		place=$((at - 0x$address + 0x$offset))
		byte=$(od -An -tx1 -j $place -N 1 "$program" | tr -d ' ')
		[ "$byte" = 90 ] || {
			echo "FAIL: probe $name of ${program##*/} is $byte, no nop"
			exit 1
		}
	done <"$work/notes"
	echo "ok: $(wc -l <"$work/notes") places in ${program##*/}"
done
