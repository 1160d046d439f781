#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# list.sh - topics are listed with who publishes them, and disappear.
. "${BASH_SOURCE%/*}/lib.sh"

publish() {
	exec "$MSG" pub "$1" --size 8 --rate 50 --count 100000 --wait-ms 0
}
start one publish list.one
start two publish list.two
one=${pids[one]}

listed() { # listed PATTERN COUNT [SECONDS]
	"$MSG" list -q "$1" --json --wait "${3:-1.2}" >"$work/list.json" &&
		[ "$(wc -l <"$work/list.json")" = "$2" ]
}
await 15 listed 'list.>' 2
check "JSON" json_valid "$work/list.json" lines
check "topic and pid" grep -q '"topic":"list.one".*"pid":'"$one,\"uid\":$(id -u)," \
	"$work/list.json"
check "program" grep -q '"program":"msg"' "$work/list.json"
check "host" grep -qF "\"host\":\"$(uname -n)\"" "$work/list.json"
await 15 listed list.two 1
check "only what matches" grep -q '"topic":"list.two"' "$work/list.json"

# Messages and rate are those of the publisher.
counting() {
	listed list.one 1 2.2 && grep -Eq '"rate":[1-9].*"messages":[1-9]' \
		"$work/list.json"
}
await 15 counting
# What a publisher that had to wait for the processor says of its last second is
# not what it says of the next.
near() {
	local rate
	counting && rate=$(sed 's/.*"rate":\([0-9]*\).*/\1/' "$work/list.json") &&
		[ "$rate" -ge 25 ] && [ "$rate" -le 75 ]
}
await 15 near

table() {
	"$MSG" list 'list.>' >"$work/table" && [ "$(wc -l <"$work/table")" = 3 ]
}
await 15 table
check "title" grep -q '^TOPIC .*PUBLISHER .*HOST .*PROGRAM .*AGE .*DELIVERY .*TYPE$' \
	"$work/table"
check "row" grep -Eq "^list\.one +[0-9a-f]{16} +[^ ]+ +msg +$one .* best-effort +-$" \
	"$work/table"

# Whoever listens sees a topic that closed in order go at once: a silent one would
# stay for five seconds, and so for ten looks.
start watch "$MSG" list -q 'list.>' --json --watch
watching() { tail -2 "$work/watch.out" | grep -q list.one; }
gone() { # The last three lines, so at least two looks.
	[ "$(tail -n "+$shown" "$work/watch.out" | wc -l)" -ge 3 ] &&
		! tail -3 "$work/watch.out" | grep -q list.one
}
await 15 watching
kill -INT "${pids[one]}"
finish one
is "publisher's exit" 0 $code
shown=$(($(wc -l <"$work/watch.out") + 1))
await 20 gone
check "it goes at once" \
	[ "$(tail -n "+$shown" "$work/watch.out" | grep -c list.one)" -le 4 ]
check "the other stays" grep -q '"topic":"list.two"' \
	<(tail -1 "$work/watch.out")
kill -INT "${pids[watch]}"
finish watch
is "exit of the watching list" 0 $code
check "JSON" json_valid "$work/watch.out" lines
kill -INT "${pids[two]}"
finish two
"$MSG" list 'list.>' --wait 0.2 >"$work/table" 2>"$work/none.err" ||
	fail "an empty list is no error: exit $?"
is "empty table" "" "$(cat "$work/table")"
check "says that there is none" grep -q 'no publisher' "$work/none.err"
