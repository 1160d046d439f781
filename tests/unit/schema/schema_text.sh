#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# schema_text.sh - what we print and write, protoc reads back as the same type.
#
#   schema_text.sh PROGRAM PROTOC
set -euo pipefail
program=$1 protoc=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAIL: $*"; exit 1; }

# A .proto file, printed and read again: of one package, so one file.
"$program" print - old.v1.Order >"$work/again.proto"
"$protoc" -I "$work" --descriptor_set_out="$work/again.pb" "$work/again.proto" ||
	fail "protoc does not read what we print: $(cat "$work/again.proto")"
[ "$("$program" hash - old.v1.Order)" = \
	"$("$program" hash "$work/again.pb" old.v1.Order)" ] ||
	fail "the text is of another type: $(cat "$work/again.proto")"

# Defaults and options are in it as they were written.
for line in 'optional string text = 2 [default = "a \042b\042 \134c\012"];' \
	'optional bytes raw = 3 [default = "\001\377'"\\'"'z"];' \
	'repeated Order.State states = 6 [packed = true];' \
	'optional Side side = 4 [default = BUY];' \
	'optional float real = 28 [default = -1.5];' \
	'optional Order parent = 536870911;' \
	'option allow_alias = true;' 'oneof price {' 'message Leg {'; do
	grep -qF -- "$line" "$work/again.proto" ||
		fail "no '$line' in $(cat "$work/again.proto")"
done

# Maps and what is of another package, in proto3.
"$program" print - fresh.v1.Table >"$work/table.txt"
for line in 'syntax = "proto3";' 'map<string, int32> counts = 1;' \
	'map<int32, Reading> readings = 2;' '.fresh.parts.Unit unit = 5;' \
	'package fresh.parts;'; do
	grep -qF -- "$line" "$work/table.txt" ||
		fail "no '$line' in $(cat "$work/table.txt")"
done
if grep -q 'CountsEntry' "$work/table.txt"; then
	fail "the entry of a map is shown as a message"
fi

# The FileDescriptorSets we write of generated code are good ones for protoc,
# which checks all of it, and of the same types.
for type in old.v1.Order fresh.v1.Reading fresh.v1.Table; do
	"$program" write - $type >"$work/set.pb"
	files=$(strings "$work/set.pb" | grep -o '[a-z0-9.]*\.proto$' | sort -u)
	# shellcheck disable=SC2086 # several names
	"$protoc" --descriptor_set_in="$work/set.pb" --include_imports \
		--descriptor_set_out="$work/checked.pb" $files ||
		fail "protoc refuses the set of $type"
	[ "$("$program" hash - $type)" = \
		"$("$program" hash "$work/checked.pb" $type)" ] ||
		fail "the set of $type is of another type"
done
echo "texts and sets are read back as the same types"
