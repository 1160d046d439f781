#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# abidiff.sh - libmsg.so has the binary interface of libmsg.abi: functions, the
# types they take, and what is in those.
#
#   abidiff.sh             functions and fields may be added; anything else fails
#   abidiff.sh --update    write libmsg.abi anew, with a reason in the commit
#
# layout.sh holds the headers; this holds what the compiler made of them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${SHARED:?is not set: the path of libmsg.so}"
: "${SOURCE:=$here/../..}"

if [ -n "${SANITIZE:-}" ]; then
	echo "SKIP abidiff: sanitizers add to the interface"
	exit 77
fi
for program in abidw abidiff; do
	command -v $program >/dev/null || {
		echo "SKIP abidiff: no $program (abigail-tools)"
		exit 77
	}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only what the public headers declare, and no word of where it was built.
abidw --exported-interfaces-only --headers-dir "$SOURCE/libmsg/include/msg" \
	--drop-private-types --no-corpus-path --no-comp-dir-path \
	--no-show-locs --no-architecture "$SHARED" >"$work/now.abi"
grep -q "name='msg_publisher_send'" "$work/now.abi" || {
	echo "SKIP abidiff: $SHARED has no debugging information"
	exit 77
}
if [ "${1:-}" = --update ]; then
	cp "$work/now.abi" "$here/libmsg.abi"
	exit 0
fi
code=0
abidiff --no-added-syms "$here/libmsg.abi" "$work/now.abi" >"$work/said" 2>&1 ||
	code=$?
# 1 and 2 are errors of abidiff itself, 4 a change, 8 one that breaks programs.
if [ $code != 0 ]; then
	cat "$work/said"
	echo "FAIL: the binary interface changed (abidiff: $code);" \
		"if that is wanted: tests/abi/abidiff.sh --update"
	exit 1
fi
# It can tell: without one function, or with another type, it says so.
sed "s/msg_publisher_abandon/msg_publisher_forsake/g" "$here/libmsg.abi" \
	>"$work/other.abi"
if abidiff --no-added-syms "$work/other.abi" "$work/now.abi" >/dev/null 2>&1; then
	echo "FAIL: abidiff does not notice that a function is gone"
	exit 1
fi
echo "ok: $(grep -c '<elf-symbol ' "$work/now.abi") symbols"
