#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# hz.sh - msg hz: rate, gaps, sizes, losses, and its verdicts.
. "${BASH_SOURCE%/*}/lib.sh"
export MSG_BROKER_POLICY=never
[ "$(json_tool)" = python3 ] || skip "no python3 to read JSON with"

# value EXPRESSION: of the objects in $work/hz.out, by topic, in `d`
value() {
	python3 -c 'import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
d = {l["topic"]: l for l in lines if l["event"] == "total"}
n = sum(l["event"] == "interval" for l in lines)
print(eval("(" + sys.argv[2] + ")"))' "$work/hz.out" "$1"
}

# counted COUNT: so many messages, with the lost ones, are in its intervals.
counted() {
	[ "$(python3 -c 'import json, sys
print(sum(l["messages"] + l["lost"] for l in map(json.loads, open(sys.argv[1]))
          if l["event"] == "interval"))' "$work/hz.out")" = "$1" ]
}

start hz "$MSG" hz --json --interval 0.5 --seconds 60 'hz.>'
listening hz
"$MSG" pub -q hz.fast --size 100 --rate 1k --count 1000 "${to_patterns[@]}" &
"$MSG" pub -q hz.slow --size 2000 --rate 20 --count 20 "${to_patterns[@]}" ||
	fail "pub: exit $?"
wait $!
await 20 counted 1020
kill -INT "${pids[hz]}"
finish hz
is "exit" 0 $code
check "JSON" json_valid "$work/hz.out" lines
is "topics" "hz.fast hz.slow" "$(value '" ".join(sorted(d))')"
is "messages" "1000 20" \
	"$(value '"%(messages)d" % d["hz.fast"] + " %(messages)d" % d["hz.slow"]')"
is "bytes" "100000 40000" \
	"$(value '"%(bytes)d" % d["hz.fast"] + " %(bytes)d" % d["hz.slow"]')"
is "sizes" "100 2000" \
	"$(value '"%(size_min)d" % d["hz.fast"] + " %(size_max)d" % d["hz.slow"]')"
is "lost" 0 "$(value 'd["hz.fast"]["lost"] + d["hz.slow"]["lost"]')"
check "intervals" test "$(value n)" -ge 3
# The gaps add up to the time between the first and the last, whatever the
# machine does meanwhile: 999 of them at 1 ms, 19 at 50 ms.  Each of these two may
# be late by some tenths of a second.
is "mean gaps" True "$(value '0.6e6 < d["hz.fast"]["gap_mean_ns"] < 3e6 and
	25e6 < d["hz.slow"]["gap_mean_ns"] < 150e6')"
is "order" True "$(value 'all(t["gap_min_ns"] <= t["gap_mean_ns"] <=
	t["gap_max_ns"] and t["jitter_ns"] >= 0 for t in d.values())')"

# Missing numbers are counted as lost.
start hz "$MSG" hz --json --seconds 60 hz.gap
listening hz
start pub "$MSG" pub -q hz.gap --size 8 --rate 100 --count 200
await 20 grep -q interval "$work/hz.out"
stand_still hz
kill -CONT "${pids[hz]}"
finish pub
await 20 counted 200
kill -INT "${pids[hz]}"
finish hz
is "messages and lost ones" 200 "$(value 'd["hz.gap"]["messages"] +
	d["hz.gap"]["lost"]')"

# Tables, and verdicts.
start table "$MSG" pub hz.table --size 8 --rate 100
await 20 grep -q publishing "$work/table.err"
start hz "$MSG" hz --interval 1 --count 3 hz.table --require rate=10,loss=0
finish hz
is "exit of what is met" 0 $code
check "titles" grep -q '^TOPIC .*RATE/S .*JITTER .*LOST$' "$work/hz.out"
check "the whole time" grep -q '^all ' "$work/hz.out"
start hz "$MSG" hz --interval 1 --count 2 hz.table --require rate=1M,jitter=1ns
finish hz
is "exit of what is not met" 1 $code
check "says what" grep -q 'hz.table.*rate' "$work/hz.err"
kill "${pids[table]}"
finish table
"$MSG" hz -q --seconds 0.3 hz.nothing >"$work/none" 2>"$work/none.err"
is "exit when nothing came" 1 $?
check "says so" grep -q 'nothing came' "$work/none.err"
"$MSG" hz hz.a hz.b 2>/dev/null
is "exit of bad usage" 2 $?
