#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# symbols.sh - header, libmsg.map, libmsg.so and libmsg.a name the same
# functions and nothing else; the plug-ins export one symbol each; libmsg
# itself needs neither libfabric nor rdma-core.
set -euo pipefail
: "${CC:?}" "${NM:?}" "${READELF:?}" "${SOURCE:?}"
: "${SHARED:?}" "${STATIC:?}" "${MODULE:?}" "${PLUGIN:?}"
export LC_ALL=C

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# same WHAT FILE FILE
same() {
	if ! diff -u "$2" "$3" >"$work/diff"; then
		echo "FAIL: $1 (- ${2##*/}, + ${3##*/}):"
		sed 1,2d "$work/diff"
		failed=1
	fi
}

include=$SOURCE/libmsg/include
# The marker survives the preprocessor, which takes the comments out: a name in
# a comment cannot pass for a declaration.
sed 's/^#define MSG_API .*/#define MSG_API @api/' "$include/msg/msg.h" \
	>"$work/both.c"
for header in stats broker type; do
	sed '/#include <msg\//d' "$include/msg/$header.h" >>"$work/both.c"
done
"$CC" -E -P "$work/both.c" | tr '\n' ' ' |
	sed 's/__attribute__ *(([a-z_]*))//g' | grep -o '@api[^(;]*(' |
	sed 's/.*[ *]\([a-z_0-9]*\) *($/\1/' | sort >"$work/header"
sed -n 's/^[[:space:]]*\(msg_[a-z_0-9]*\);$/\1/p' "$SOURCE/libmsg/libmsg.map" |
	sort >"$work/map"
"$NM" -D --defined-only "$SHARED" | awk '$2 != "A" { print $3 }' |
	sed 's/@.*//' | sort >"$work/shared"
[ "$(wc -l <"$work/header")" -gt 20 ] || { echo "FAIL: header unread"; exit 1; }

same 'functions of the headers and of libmsg.map' "$work/header" "$work/map"
same 'functions of libmsg.map and of libmsg.so' "$work/map" "$work/shared"
if [ -z "${SANITIZE:-}" ]; then
	"$NM" -g --defined-only "$STATIC" | awk 'NF == 3 { print $3 }' |
		sort >"$work/static"
	same 'functions of libmsg.map and of libmsg.a' \
		"$work/map" "$work/static"
else
	echo "SKIP static: the sanitizer build keeps its inner symbols"
fi

# Each symbol belongs to a version node of the map.
"$NM" -D --defined-only --with-symbol-versions "$SHARED" |
	awk '$2 == "T" && $3 !~ /@@MSG_[0-9]+\.[0-9]+$/' >"$work/bare"
same 'every function has a version' /dev/null "$work/bare"

# exports LIBRARY SYMBOL...: those, sorted, and no others.
exports() {
	local library=$1 name=${1##*/}

	shift
	"$NM" -D --defined-only "$library" | awk '{ print $3 }' |
		sed 's/@.*//' | sort >"$work/exported"
	printf '%s\n' "$@" >"$work/$name.wanted"
	same "exports of $name" "$work/$name.wanted" "$work/exported"
}
exports "$MODULE" msg_channel_module msg_link_module
exports "$PLUGIN" fi_prov_ini

needed=$("$READELF" -d "$SHARED" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $needed; do
	case $library in
	libc.so.* | libprotobuf-c.so.* | ld-linux* | libpthread.so.* | libdl.so.*) ;;
	lib*san.so.*) [ -n "${SANITIZE:-}" ] ;;
	*) echo "FAIL: libmsg.so needs $library"; failed=1 ;;
	esac
done
"$READELF" -d "$MODULE" | grep -q 'NEEDED.*libfabric' || {
	echo "FAIL: the module does not need libfabric: this check is blind"
	failed=1
}
major=$(sed -n 's/^project(msg VERSION \([0-9]*\)\..*/\1/p' \
	"$SOURCE/CMakeLists.txt")
"$READELF" -d "$SHARED" | grep -q "SONAME.*\[libmsg\.so\.$major\]" || {
	echo "FAIL: the soname is not libmsg.so.$major"
	failed=1
}
[ $failed = 0 ]
echo "$(wc -l <"$work/map") functions"
