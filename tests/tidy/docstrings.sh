#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# docstrings.sh - every public function states its contract; docstrings.awk
# says what belongs in it, docstrings_cxx.awk what the C++ header owes.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t headers < <(files '^libmsg/include/msg/.*\.h$')
[ ${#headers[@]} -gt 0 ] || complain "libmsg/include/msg:1: no header there"
# msg.h comes first: it holds the codes.
first=libmsg/include/msg/msg.h
rest=()
for header in "${headers[@]}"; do
	[ "$header" = $first ] || rest+=("$header")
done
if [ -f $first ]; then
	complain_all < <(awk -f "$here/docstrings.awk" $first "${rest[@]}")
fi
mapfile -t cxx < <(files '^bindings/.*\.hpp$')
for header in "${cxx[@]}"; do
	said=$(awk -f "$here/docstrings_cxx.awk" "$header")
	complain_all < <(grep -v '^count ' <<<"$said" || true)
	# A header may hold a struct of static functions alone.
	[ "${said##*count }" -gt 0 ] || grep -q '^	static ' "$header" ||
		complain "$header:1: no public function was found"
done
verdict "contracts of $((${#headers[@]} + ${#cxx[@]})) headers"
