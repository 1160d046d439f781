#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# closed_pipe.sh - a reader that goes away ends the tool, quietly.
. "${BASH_SOURCE%/*}/lib.sh"

# The messages end too, so echo must notice without being sent another.
piped() {
	timeout 20 "$MSG" echo -q "$@" 2>"$work/echo.err" | head -1
	echo "${PIPESTATUS[0]}" >"$work/status"
}
for how in "pipe.quiet" "pipe.spin --spin" "pipe.json --json"; do
	read -ra arguments <<<"$how"
	rm -f "$work/status"
	piped "${arguments[@]}" >"$work/head.out" &
	pids[piped]=$!
	sent() {
		"$MSG" pub -q "${arguments[0]}" -m hello --wait-ms 0
		[ -s "$work/head.out" ]
	}
	await 15 sent
	await 10 test -s "$work/status"
	is "exit of echo $how" 0 "$(cat "$work/status")"
	is "stderr of echo $how" "" "$(cat "$work/echo.err")"
	check "the one line" grep -q hello "$work/head.out"
	finish piped
done

# Others with much to say.
for command in counters "doctor" "help echo"; do
	read -ra arguments <<<"$command"
	"$MSG" "${arguments[@]}" 2>"$work/other.err" | true
	code=${PIPESTATUS[0]}
	[ "$code" -le 1 ] || fail "exit of msg $command: $code"
	is "stderr of msg $command" "" "$(grep -v lane "$work/other.err")"
done
