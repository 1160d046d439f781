#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# compiles.sh - each header alone, msg.hpp before and after what else holds MSG_*
# names, and all that the conformance program says with it, compile without a
# warning: with each C++ compiler here, as C++17 and C++20, with and without
# assertions.
set -euo pipefail
: "${SOURCE:?}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/alone.cpp" <<'CPP'
#include <msg/msg.hpp>
#include <msg/msg.hpp>
int unit();
CPP
cat >"$work/after.cpp" <<'CPP'
#include <sys/socket.h>
#include <sys/msg.h>
#include <netinet/in.h>
#include <msg/msg.hpp>
int unit();
CPP
cat >"$work/designated.cpp" <<'CPP'
#include <msg/msg.hpp>
msg::publisher open_one(msg::node &node);
msg::publisher open_one(msg::node &node)
{
#if __cplusplus >= 202002L
	return {node, msg_publisher_options{
		.struct_bytes = sizeof(msg_publisher_options),
		.topic = "md.acme", .message_bytes_max = 5000}};
#else
	return {node, "md.acme"};
#endif
}
CPP
# All of it at once.
for file in "$SOURCE"/tests/bindings/cxx/conformance*.cpp; do
	echo "#include \"$file\""
done >"$work/conformance.cpp"
# A function of an object `a`; those named wrong_... must not compile.
cat >"$work/lines" <<'CPP'
right_loan msg::loan &a: msg::loan c(std::move(a));
wrong_loan msg::loan &a: msg::loan c(a);
right_view msg::view &a: msg::view c(std::move(a));
wrong_view msg::view &a: msg::view c(a);
right_views msg::views<> &a: msg::views<> c(std::move(a));
wrong_views msg::views<> &a: msg::views<> c(a);
right_node msg::node &a: msg::node c(std::move(a));
wrong_node msg::node &a: msg::node c(a);
right_bytes msg::publisher &a: (void)a.publish_value(5);
wrong_bytes msg::publisher &a: (void)a.publish_value(std::string());
right_aligned msg::view &a: struct alignas(8) s { char c[64]; }; (void)a.get_if<s>();
wrong_aligned msg::view &a: struct alignas(64) s { char c[64]; }; (void)a.get_if<s>();
right_result msg::publisher &a: if (!a.publish("x")) throw 1;
wrong_result msg::publisher &a: a.publish("x");
right_place msg::typed_publisher<five> &a: auto c = a.loan(); *c = {5};
wrong_place msg::typed_publisher<six> &a: auto c = a.loan(); (void)c;
right_read const msg::typed_subscriber<five> &a: msg::view v; const five *c = a.get(v); (void)c;
wrong_read const msg::typed_subscriber<five> &a: msg::view v; five *c = a.get(v); (void)c;
right_const msg::view &a: const int &c = a.as<int>(); (void)c;
wrong_const msg::view &a: int &c = a.as<int>(); (void)c;
CPP

cat >"$work/types.hpp" <<'CPP'
#include <msg/type.hpp>
struct five { int number; };
MSG_CXX_STRUCT(five, "five", MSG_CXX_FIELD(five, number));
/* One that is not written in place. */
struct six;
template <> struct msg::codec<six> {
	using value = int;
	static constexpr bool in_place = false;
	static msg::type make_type();
};
CPP

# The right ones together, of the wrong ones each alone.
echo '#include "types.hpp"' >"$work/right.cpp"
while read -r name rest; do
	file=$work/right.cpp
	case $name in wrong_*)
		file=$work/$name.cpp
		echo '#include "types.hpp"' >"$file" ;;
	esac
	printf 'void %s(%s);\nvoid %s(%s) { %s }\n' "$name" "${rest%%: *}" \
		"$name" "${rest%%: *}" "${rest#*: }" >>"$file"
done <"$work/lines"

failed=0 count=0
# compile COMPILER FLAG... FILE
compile() {
	"$1" -Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion \
		-Wshadow -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual \
		-Wzero-as-null-pointer-constant -fsyntax-only \
		-I "$SOURCE/libmsg/include" -I "$SOURCE/bindings/cxx" \
		"${@:2}" >"$work/said" 2>&1
}

# must COMPILER STANDARD FILE [FLAG...]
must() {
	count=$((count + 1))
	compile "$1" -std="$2" "${@:4}" "$3" && return
	echo "FAIL: ${3##*/} with $1 as $2 ${*:4}:"
	head -n 40 "$work/said"
	failed=1
}

for compiler in g++ clang++; do
	command -v $compiler >/dev/null || {
		echo "SKIP $compiler: it is not here"
		continue
	}
	must $compiler c++17 "$work/alone.cpp"
	must $compiler c++17 "$work/alone.cpp" -DNDEBUG
	must $compiler c++17 "$work/after.cpp"
	# Leaving fields out is what they are for; -Wextra would have all named.
	must $compiler c++20 "$work/designated.cpp" -Wno-missing-field-initializers
	must $compiler c++17 "$work/conformance.cpp"
	for header in "$SOURCE"/bindings/cxx/msg/*.hpp \
		"$SOURCE"/bindings/cxx/msg/cxx/*.hpp; do
		case $header in
		*/protobuf_c.hpp) [ -e /usr/include/protobuf-c ] || continue ;;
		esac
		echo "#include \"$header\"" >"$work/header.cpp"
		must $compiler c++17 "$work/header.cpp"
	done
	must $compiler c++17 "$work/right.cpp"
	for file in "$work"/wrong_*.cpp; do
		count=$((count + 1))
		! compile $compiler -std=c++17 "$file" || {
			echo "FAIL: $compiler accepts:"
			tail -n 1 "$file"
			failed=1
		}
	done
done
[ $count -gt 0 ] || { echo 'SKIP compiles: no C++ compiler'; exit 77; }
[ $failed = 0 ]
echo "$count units compiled, or refused as they should be"
