#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# install.sh - what `cmake --install` leaves in a prefix is enough: a stranger's
# project finds it with find_package and with pkg-config, shared and static,
# and each of the programs sends a message to itself on loopback.  The prefix is
# then moved, and all of it still works.
set -euo pipefail
: "${CC:?}" "${CMAKE:?}" "${PKG_CONFIG:?}" "${SOURCE:?}" "${BUILD:?}"
: "${LIBDIR:?}" "${GENERATOR:?}"

if [ -n "${SANITIZE:-}" ]; then
	echo "SKIP install: nobody installs a sanitizer build"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

# A place on loopback of our own.
for name in $(compgen -A variable MSG_); do unset "$name"; done
export MSG_LANE=udp MSG_INTERFACE=lo MSG_PORT=$((20000 + $$ % 12000))
unset DESTDIR LD_LIBRARY_PATH PKG_CONFIG_PATH

# shellcheck source=tests/support/quietly.sh
. "$SOURCE/tests/support/quietly.sh"

# received WHAT PROGRAM [NAME=VALUE...]
received() {
	local what=$1 program=$2
	shift 2
	quietly "$what runs" env "$@" "$program"
	grep -q '^received' "$work/said" || { echo "FAIL: $what"; exit 1; }
}

# only_static PROGRAM: it needs no libmsg.so.
only_static() {
	if ldd "$1" | grep -q 'libmsg'; then
		echo "FAIL: ${1##*/} needs libmsg.so"
		exit 1
	fi
}

quietly 'install' "$CMAKE" --install "$BUILD" --prefix "$prefix"

libdir=$(dirname "$(find "$prefix" -name libmsg.a)")
for file in include/msg/msg.h include/msg/stats.h include/msg/broker.h include/msg/type.h \
	include/msg/msg.hpp include/msg/type.hpp include/msg/protobuf_c.hpp \
	include/msg/cxx/subscriber.hpp bin/msg \
	"${libdir#"$prefix/"}/msg/libmsg-fabric.so" \
	"${libdir#"$prefix/"}/libfabric/libudmc-fi.so"; do
	[ -f "$prefix/$file" ] || { echo "FAIL: no $file"; exit 1; }
done
quietly 'the program' "$prefix/bin/msg" --version

# libmsg.so finds the module beside itself.  A static program finds the one of
# the configured prefix; this prefix is another, so it has to be told.
module=(MSG_MODULE_DIR="$libdir/msg")

cp -r "$SOURCE/tests/abi/consumer" "$work/consumer"
quietly 'find_package' "$CMAKE" -S "$work/consumer" -B "$work/cmake" \
	-G "$GENERATOR" -DCMAKE_C_COMPILER="$CC" \
	-DCMAKE_PREFIX_PATH="$prefix"
quietly 'msg::msg and msg::msg_static' "$CMAKE" --build "$work/cmake"
received 'msg::msg' "$work/cmake/consumer_shared"
only_static "$work/cmake/consumer_static"
received 'msg::msg_static' "$work/cmake/consumer_static" "${module[@]}"

# The same in a place it was not installed to.
mv "$prefix" "$work/moved"
libdir=$work/moved/${libdir#"$prefix/"}
module=(MSG_MODULE_DIR="$libdir/msg")
quietly 'the program, moved' "$work/moved/bin/msg" --version
export PKG_CONFIG_PATH=$libdir/pkgconfig
[ "$("$PKG_CONFIG" --variable=moduledir libmsg)" -ef "$libdir/msg" ] ||
	{ echo "FAIL: libmsg.pc does not know its module"; exit 1; }

read -ra flags <<<"$("$PKG_CONFIG" --cflags --libs libmsg)"
quietly 'pkg-config' "$CC" -o "$work/shared" "$work/consumer/consumer.c" \
	"${flags[@]}"
received 'pkg-config' "$work/shared" LD_LIBRARY_PATH="$libdir"

read -ra flags <<<"$("$PKG_CONFIG" --cflags --static --libs libmsg)"
quietly 'pkg-config --static' "$CC" -o "$work/static" \
	"$work/consumer/consumer.c" \
	-Wl,-Bstatic "${flags[@]}" -Wl,-Bdynamic
only_static "$work/static"
received 'pkg-config --static' "$work/static" "${module[@]}"

grep -qaF "$LIBDIR/msg" "$libdir/libmsg.a" || {
	echo "FAIL: libmsg.a does not know $LIBDIR/msg, where its module goes"
	exit 1
}

if command -v fi_info >/dev/null; then
	quietly 'the provider is found' env \
		FI_PROVIDER_PATH="$libdir/libfabric" fi_info -p udmc -l
	grep -q udmc "$work/said" || { echo "FAIL: fi_info lists no udmc"; exit 1; }
else
	echo "SKIP provider: there is no fi_info here"
fi
