#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# hostile.sh - names and payloads from the network never reach a terminal raw.
. "${BASH_SOURCE%/*}/lib.sh"

# A program's name is whatever it says; here it says "clear the screen".
evil=$'evil\033[2J\033]0;owned\007'
mkdir "$work/bin"
ln -s "$MSG" "$work/bin/$evil" || fail "no such link"
start evil bash -c 'exec -a "$1" "$1" pub hostile.name --size 8 --rate 20' \
	- "$work/bin/$evil"
await 10 grep -q publishing "$work/evil.err"

raw() { LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$1"; }
listed() {
	"$MSG" list -q 'hostile.>' "$@" --wait 1.2 >"$work/list" &&
		grep -q hostile.name "$work/list"
}
await 15 listed
raw "$work/list" && fail "the list holds control characters"
check "the name is shown, escaped or stripped" grep -q evil "$work/list"
await 15 listed --json
raw "$work/list" && fail "the JSON list holds control characters"
check "JSON" json_valid "$work/list" lines

# Payloads: escapes of C0 and C1, and what turns the line round.
printf '\033[31mred\a\b\177 \302\2332J \342\200\256rtl \342\201\246' \
	>"$work/payload"
start text "$MSG" echo hostile.payload --count 1 --timeout 50
start json "$MSG" echo hostile.payload --count 1 --timeout 50 --json
start hex "$MSG" echo hostile.payload --count 1 --timeout 50 --hex
for form in text json hex; do
	listening $form
done
"$MSG" pub -q hostile.payload -f "$work/payload" || fail "pub: exit $?"
for form in text json hex; do
	finish $form 55
	is "exit of $form" 0 $code
	raw "$work/$form.out" && fail "$form shows control characters"
	if LC_ALL=C grep -q $'\302\233\|\342\200\256\|\342\201\246' \
		"$work/$form.out"; then
		fail "$form shows C1 or bidirectional controls"
	fi
done
check "JSON" json_valid "$work/json.out" lines
check "escaped" grep -q '\\u001b\[31mred\\u0007\\u0008\\u007f \\u009b2J \\u202ertl \\u2066' \
	"$work/json.out"
