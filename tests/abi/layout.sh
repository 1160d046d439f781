#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# layout.sh - sizes and offsets of every public struct, values of every public
# enumerator, and every prototype are those of layout.golden.
#
#   layout.sh [--update]
#
# The table is made from the headers themselves, so a new field cannot be
# forgotten.  Until 1.0 it may change, with `--update` and a reason in the
# commit; from then on lines may only be added.
# shellcheck disable=SC2028 # the backslashes are for C
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CC=${CC:-cc}
include=${SOURCE:-$here/../..}/libmsg/include
export LC_ALL=C

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$(uname -m)" != x86_64 ] && [ "$(uname -m)" != aarch64 ]; then
	echo "SKIP layout: the table is of 64-bit machines"
	exit 77
fi

printf '#include <msg/msg.h>\n#include <msg/stats.h>\n#include <msg/broker.h>\n#include <msg/type.h>\n' >"$work/all.c"
# One declaration a line, attributes and the C library's own left out.
"$CC" -E -P -I "$include" "$work/all.c" | tr '\n\t' '  ' |
	sed -e 's/__attribute__ *((\([^()]*\|([^()]*)\)*)) *//g' -e 's/  */ /g' -e 's/( /(/g' \
		-e 's/; \(struct\|enum\|typedef\|const\|int\|void\|uint64_t\)/;\n\1/g' \
		-e 's/} *;/};\n/g' |
	sed 's/^ *//' >"$work/flat"

{
	echo '#include <stdio.h>'
	echo '#include <msg/msg.h>'
	echo '#include <msg/stats.h>'
	echo '#include <msg/broker.h>'
	echo '#include <msg/type.h>'
	echo 'int main(void) {'
	# A struct or enum may be spread over several of those lines.
	tr '\n' ' ' <"$work/flat" | grep -oE '(struct|enum) msg_[a-z_]+ \{[^}]*\}' |
	while read -r kind name body; do
		body=${body#\{} body=${body%\}}
		if [ "$kind" = struct ]; then
			echo "printf(\"struct $name %zu\\n\", sizeof(struct $name));"
			tr ';' '\n' <<<"$body" | sed -n \
				's/.*[ *]\([a-z_0-9]*\)\(\[[0-9]*\]\)\{0,1\} *$/\1/p' |
			while read -r field; do
				[ -n "$field" ] || continue
				echo "printf(\"$name.$field %zu %zu\\n\"," \
					"__builtin_offsetof(struct $name, $field)," \
					"sizeof(((struct $name *)0)->$field));"
			done
		else
			tr ',' '\n' <<<"$body" | sed -n \
				's/^ *\([A-Z_0-9]*\).*/\1/p' |
			while read -r value; do
				[ -n "$value" ] || continue
				echo "printf(\"$value %d\\n\", (int)$value);"
			done
		fi
	done
	echo 'return 0; }'
} >"$work/print.c"
"$CC" -I "$include" -o "$work/print" "$work/print.c"
{
	echo '# SPDX-License-Identifier: BSD-2-Clause'
	echo '# Made by layout.sh --update.'
	echo '# struct NAME bytes; STRUCT.FIELD offset bytes; ENUMERATOR value'
	"$work/print"
	grep -E '^[a-z].*[ *]msg_[a-z_]+ *\(.*\);' "$work/flat" |
		grep -v '^typedef' | sed 's/ *$//' | sort
} >"$work/layout"

if [ "${1:-}" = --update ]; then
	cp "$work/layout" "$here/layout.golden"
	exit 0
fi
[ "$(grep -c '^struct' "$work/layout")" -ge 8 ] ||
	{ echo "FAIL: the headers were not understood"; exit 1; }
grep -qx 'struct msg_view 64' "$work/layout" ||
	{ echo "FAIL: msg_view is not one cache line"; exit 1; }
diff -u "$here/layout.golden" "$work/layout" || {
	echo "FAIL: the layout changed; if that is wanted: tests/abi/layout.sh --update"
	exit 1
}
