#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# require.sh - requirements decide the exit code and name what is unmet.
. "${BASH_SOURCE%/*}/lib.sh"

met() {
	"$@" >"$work/met.out" 2>"$work/met.err"
	is "exit of: ${*:2}" 0 $?
}

unmet() { # unmet SENTENCE COMMAND...
	local sentence=$1
	shift
	"$@" >"$work/unmet.out" 2>"$work/unmet.err"
	is "exit of: ${*:2}" 1 $?
	check "sentence '$sentence' of: ${*:2}" \
		grep -Eq "requirement not met: $sentence" "$work/unmet.err"
}

quick=(--seconds 0.3 --warmup 0.1)
met "$MSG" bench latency "${quick[@]}" --block --rate 500 \
	--require p99=5s,loss=0,rate=10
unmet 'block p50 is .* at most 1 ns was required' \
	"$MSG" bench latency "${quick[@]}" --block --rate 500 \
	--require p50=1ns,loss=0
unmet 'spin rate is .* at least 1 G was required' \
	"$MSG" bench throughput "${quick[@]}" --spin --rate 1k \
	--require rate=1G/s
met "$MSG" bench throughput "${quick[@]}" --block --rate 1k --require loss=0
unmet 'block max is .* at most 10 ns was required' \
	"$MSG" bench roundtrip "${quick[@]}" --block --require max=0.01us

start enough "$MSG" echo require.t --count 5 --timeout 50 \
	--require messages=5,loss=0
start few "$MSG" echo require.t --require messages=6
listening enough
listening few
"$MSG" pub -q require.t -m x --count 5 || fail "pub: exit $?"
finish enough
is "echo with its requirement met" 0 $code
five() { [ "$(wc -l <"$work/few.out")" = 5 ]; }
await 10 five
kill -INT "${pids[few]}"
finish few
is "echo with too few messages" 1 $code
check "sentence" grep -q 'messages is 5, at least 6' "$work/few.err"
"$MSG" echo -q require.none --count 1 --timeout 0.2 2>"$work/late.err"
is "echo whose count did not come in time" 1 $?
check "sentence" grep -q '0 of 1 messages came in time' "$work/late.err"

# Loss is seen: a subscriber that is stopped while far more is sent than its
# buffers and its socket hold must lose, say where and exactly how much, and
# fail its requirement.
mkfifo "$work/fifo"
start lossy "$MSG" echo require.loss --no-payload --buffers 16 --require loss=0
listening lossy
exec 9<>"$work/fifo"
"$MSG" pub -q require.loss <"$work/fifo" 2>"$work/pub.err" &
pids[pub]=$!
saw() { tail -1 "$work/lossy.out" | grep -q " $1 bytes$"; }
echo begin >&9
await 10 saw 5
kill -STOP "${pids[lossy]}"
awk 'BEGIN { line = sprintf("%8000s", "")
	for (i = 0; i < 6000; i++) print line }' >&9
kill -CONT "${pids[lossy]}"
end_came() {
	echo end >&9
	saw 3
}
await 10 end_came
kill -INT "${pids[lossy]}"
finish lossy
is "echo with loss" 1 $code
check "loss is said in the stream" grep -q '^! lost [1-9]' "$work/lossy.out"
check "sentence" grep -Eq 'loss is .*at most 0 was required' "$work/lossy.err"
# Every message up to the last one shown was either shown or said to be lost.
awk '/^! lost/ { lost += $3; next } { shown++; last = $3 }
	END { exit !(lost > 0 && shown + lost == last + 1) }' \
	"$work/lossy.out" || fail "shown and lost do not add up"
kill -INT "${pids[pub]}"
finish pub
