#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record_typed.sh - topics that name a type are recorded with it: any tool decodes
# them, and played again they name it again.  Straight on the lane, and behind a
# broker.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1
: "${TYPED_PUBLISH:?is not set: the path of examples/typed_publish}"
: "${TYPED_STRUCT:?is not set: the path of examples/typed_struct}"
[ -x "$TYPED_PUBLISH" ] || skip "the examples are not built"

fields() { # the fields of what an echo --json showed, a line each
	python3 - "$1" <<-'PYTHON'
	import json, sys
	for line in open(sys.argv[1], encoding="utf-8"):
	    m = json.loads(line)
	    if m["event"] == "message":
	        print(m.get("type"), json.dumps(m.get("fields"), sort_keys=True))
	PYTHON
}

# publish PROGRAM: for as long as it is wanted; the example ends after five seconds.
publish() {
	local child=
	trap 'kill $child 2>/dev/null; exit 0' TERM
	while :; do
		"$1" &
		child=$!
		wait $child
	done
}

types='sorted(set((c["topic"], c["encoding"]) for c in f["channels"]))'
typed="[('lab.oven', 'cstruct'), ('md.acme', 'protobuf')]"

record() { # record NAME FILE
	local name=$1 file=$2
	rm -f "$file"
	# One that publishes before we come, and one after.
	start quotes publish "$TYPED_PUBLISH"
	sleep 0.5
	recording record "$file" md.acme 'lab.*'
	start live "$MSG" echo --json md.acme --count 10 --timeout 50
	start ovens "$TYPED_STRUCT"
	finish live 55
	finish ovens 30
	await 30 has_come record 60
	kill "${pids[quotes]}"
	finish quotes
	stop_recording record
	is "$name: exit" 0 $code
	whole "$file"
	told "$file"
}

run() { # run NAME
	local name=$1 file=$work/$1.mcap topic i
	# A type that is not known in time is left out; so it is on a machine that has
	# too much to do, now and then.
	for i in 1 2 3; do
		record "$name" "$file"
		[ "$(info "$file" "$types")" != "$typed" ] || break
	done
	is "$name: types" "$typed" "$(info "$file" "$types")"
	is "$name: type of md.acme" "{'md.Quote'}" \
		"$(info "$file" 'set(c["type"] for c in f["channels"]
			if c["topic"] == "md.acme")')"
	check "$name: messages" [ "$(info "$file" 'f["messages"]')" -gt 20 ]

	for topic in md.acme lab.oven; do
		start again "$MSG" echo --json "copy.$topic" --count 5 --timeout 50
		listening again
		"$MSG" play -q "$file" --prefix copy --topic "$topic" \
			--speed 4 --wait-ms 1500 || fail "play: exit $?"
		finish again 55
		is "$name: exit of echo of $topic" 0 $code
		fields "$work/again.out" >"$work/again.fields"
		is "$name: decoded of $topic" 5 \
			"$(grep -cE '^[A-Za-z.]+ \{"' "$work/again.fields")"
	done
	# What was decoded live is decoded from the recording.
	start again "$MSG" echo --json copy.md.acme
	listening again
	"$MSG" play -q "$file" --prefix copy --topic md.acme --speed 2 \
		--wait-ms 1500 || fail "play: exit $?"
	kill -INT "${pids[again]}"
	finish again
	fields "$work/live.out" >"$work/live.fields"
	fields "$work/again.out" >"$work/again.fields"
	is "$name: what was seen live and is not in the recording" "" \
		"$(grep -vxFf "$work/again.fields" "$work/live.fields")"
}

run direct
unset MSG_LANE MSG_INTERFACE MSG_PORT MSG_GROUPS
export MSG_BROKER_POLICY=require MSG_BROKER=$place/a.sock
broker a
run brokered
