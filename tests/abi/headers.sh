#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# headers.sh - each public header compiles by itself, without a warning, as
# C99, C11 and C++17, and before and after the system headers that hold MSG_*
# names of their own.
set -euo pipefail
: "${CC:?}" "${SOURCE:?}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
system='#include <sys/socket.h>
#include <sys/msg.h>
#include <net/if.h>
#include <netinet/in.h>'

# compile STANDARD HEADER PLACE
compile() {
	local compiler=$CC suffix=c
	case $1 in c++*) compiler=${CXX:-} suffix=cc ;; esac
	if [ -z "$compiler" ] || ! command -v "$compiler" >/dev/null; then
		echo "SKIP $1: there is no compiler for it"
		return
	fi
	{
		[ "$3" != after ] || echo "$system"
		echo "#include <msg/$2>"
		[ "$3" != before ] || echo "$system"
		# Each file is a translation unit of its own; empty ones are not C.
		echo 'int unit(void);'
	} >"$work/unit.$suffix"
	if ! "$compiler" -std="$1" -Wall -Wextra -Wpedantic -Wconversion \
		-Wstrict-aliasing -Werror -fsyntax-only \
		-I "$SOURCE/libmsg/include" "$work/unit.$suffix" \
		>"$work/said" 2>&1; then
		echo "FAIL: $2 as $1, place $3:"
		cat "$work/said"
		failed=1
	fi
	count=$((count + 1))
}

failed=0 count=0
for header in msg.h stats.h broker.h type.h; do
	for standard in c99 c11 c++17; do
		for place in alone before after; do
			compile $standard $header $place
		done
	done
done
[ $failed = 0 ]
[ $count -gt 0 ]
echo "$count units compiled"
