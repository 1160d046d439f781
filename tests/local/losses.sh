#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# losses.sh - msg losses names what is lost and whose fault it is: nothing, the
# publisher's history, a subscriber behind a broker that is too slow.  ROUNDS in
# the environment says how often one is stopped as it joins.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${SIDES:?is not set: the path of the program reliable_sides}"
case $SIDES in /*) ;; *) SIDES=$PWD/$SIDES ;; esac
export MSG_BROKER_POLICY=never

# ---- nothing is lost, publishers come and go --------------------------------

start calm "$MSG" losses --all 'calm.>'
listening calm
for i in 1 2; do
	"$MSG" pub -q calm.a --size 50 --rate 1000 --count 300 \
		"${to_patterns[@]}" || fail "pub $i: exit $?"
done
left() { [ "$(grep -c ' left, having sent 300$' "$work/calm.out")" = 2 ]; }
await 20 left
kill -INT "${pids[calm]}"
finish calm
is "exit without a loss" 0 $code
is "who joined" 2 "$(grep -cE \
	'^[-0-9]+ [:0-9.]+ calm\.a [^ ]*:msg\[[0-9]+\] joined at 0$' \
	"$work/calm.out")"
is "who restarted" 1 "$(grep -c ' restarted, at 0$' "$work/calm.out")"
is "lines" 5 "$(wc -l <"$work/calm.out")"
check "a summary" grep -q ': 0 losses, 0 messages lost; 600 came of 2 ' \
	"$work/calm.err"

# What was sent before one came is no loss, whatever one hears first.
for how in best-effort reliable; do
	start "$how" "$MSG" pub "late.$how" --reliability "$how" \
		--size 50 --rate 2000
	await 20 grep -q publishing "$work/$how.err"
done
sleep 1
for topic in late.best-effort late.reliable 'late.>'; do
	start "of $topic" "$MSG" losses --all "$topic"
done
for topic in late.best-effort late.reliable 'late.>'; do
	await 20 grep -q ' joined at [1-9][0-9]*$' "$work/of $topic.out"
done
sleep 1
for topic in late.best-effort late.reliable 'late.>'; do
	kill -INT "${pids[of $topic]}"
	finish "of $topic"
	is "exit of who came late to $topic" 0 $code
	is "$topic: lines of losses" 0 "$(grep -c ' lost ' "$work/of $topic.out")"
done
for how in best-effort reliable; do
	kill "${pids[$how]}"
	finish "$how"
done

start end "$MSG" losses -q --seconds 0.2
finish end
is "exit after --seconds" 0 $code
is "stdout of nothing" "" "$(cat "$work/end.out")"

# ---- the publisher had it no more -------------------------------------------

# Stopped as soon as it has joined, while far more is published than a socket
# holds, it finds the first messages there, and the publisher, which goes on, has
# only the last.  What it missed in its sleep it has not given up: it never asked.
for round in $(seq "${ROUNDS:-2}"); do
	start asleep "$MSG" losses --all 'deep.>'
	start asleep2 "$MSG" losses --all --json 'deep.>'
	listening asleep
	listening asleep2
	start pub "$SIDES" publish deep.a 10000000 $((6 + round)) 0 500 100000
	await 20 grep -q joined "$work/asleep.out"
	kill -STOP "${pids[asleep]}"
	await 20 grep -q joined "$work/asleep2.out"
	kill -STOP "${pids[asleep2]}"
	sleep 4
	kill -CONT "${pids[asleep]}" "${pids[asleep2]}"
	await 20 grep -q ': history exceeded' "$work/asleep.out"
	await 20 grep -q '"reason":"history"' "$work/asleep2.out"
	# Longer than giving up takes.
	sleep 1.5
	kill -INT "${pids[asleep]}" "${pids[asleep2]}"
	finish asleep
	is "exit with a loss" 1 $code
	finish asleep2
	is "exit with a loss, JSON" 1 $code
	kill "${pids[pub]}"
	finish pub
	is "given up by who was stopped" 0 \
		"$(cat "$work/asleep.out" "$work/asleep2.out" |
			grep -cE 'gave up waiting|"reason":"gave-up"')"
done
check "a loss" grep -qE \
	' lost [1-9][0-9]* \([0-9]+ to [0-9]+\): history exceeded' \
	"$work/asleep.out"
check "a total" grep -qE \
	'^deep\.a +[^ ]+:reliable_sides\[[0-9]+\] +[0-9]+ +[0-9]+ +history exceeded' \
	"$work/asleep.out"
check "what to do" grep -q 'Raise history_bytes' "$work/asleep.err"
check "JSON" json_valid "$work/asleep2.out" lines
check "the loss as JSON" grep -qE \
	'"event":"lost",.*"topic":"deep.a",.*"program":"reliable_sides",.*"lost":[0-9]+,"first":[0-9]+,"last":[0-9]+,"reason":"history"' \
	"$work/asleep2.out"

# ---- behind a broker ----------------------------------------------------------

unset MSG_LANE MSG_INTERFACE MSG_PORT MSG_GROUPS
export MSG_BROKER_POLICY=require MSG_BROKER=$place/a.sock
broker a
start slow "$MSG" echo --no-payload slow.a
listening slow
start watch "$MSG" losses 'slow.*'
start other "$MSG" losses 'other.>'
listening watch
listening other
check "what is not to be had is said" \
	grep -q "through broker 'a': .* --direct" "$work/watch.err"
stand_still slow
start steady "$MSG" pub -q slow.a --size 50 --rate 20000 --count 1200000
# A ring has a thousand places or some.
sleep 2
kill -CONT "${pids[slow]}"
slow_line=" slow.a subscriber msg[${pids[slow]}] of $(id -un) lost "
await 20 grep -qF "$slow_line" "$work/watch.out"
kill -INT "${pids[watch]}" "${pids[other]}"
finish watch
is "exit when another subscriber loses" 1 $code
check "who it was" grep -qE \
	"^slow\.a +msg +${pids[slow]} +$(id -un) +[1-9][0-9]* +[1-9][0-9]* .*taken too slowly$" \
	"$work/watch.out"
finish other
is "exit when it happens on other topics" 0 $code
kill "${pids[steady]}" "${pids[slow]}"
finish steady
finish slow

"$MSG" losses --reliability best-effort >"$work/bad.out" 2>"$work/bad.err"
is "exit of --reliability best-effort through a broker" 2 $?
check "the next step" grep -q 'use --direct$' "$work/bad.err"
