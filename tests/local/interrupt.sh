#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# interrupt.sh - SIGINT and SIGTERM end with the summary and exit 0.
. "${BASH_SOURCE%/*}/lib.sh"

# A shell without job control starts background jobs with SIGINT ignored; the
# tool sets its own handler, so that does not matter here.
for signal in INT TERM; do
	for how in "" --spin; do
		start echo "$MSG" echo stop.$signal $how
		listening echo
		"$MSG" pub -q stop.$signal -m one -m two || fail "pub: $?"
		got_two() { [ "$(wc -l <"$work/echo.out")" = 2 ]; }
		await 10 got_two
		kill -$signal "${pids[echo]}"
		finish echo
		is "exit of echo $how at SIG$signal" 0 $code
		check "summary of echo" \
			grep -q '2 messages.* 0 lost' "$work/echo.err"
	done
	start pub "$MSG" pub stop.pub --size 8 --rate 100
	await 30 grep -q publishing "$work/pub.err"
	kill -$signal "${pids[pub]}"
	finish pub
	is "exit of pub at SIG$signal" 0 $code
	check "summary of pub" grep -q 'messages, .* in ' "$work/pub.err"

	start json "$MSG" echo stop.json --json
	listening json
	kill -$signal "${pids[json]}"
	finish json
	check "JSON summary" grep -q '"event":"summary"' "$work/json.out"
done

# Asked while it still subscribes, it does not go on with that.
for what in echo "record -o $work/many.mcap"; do
	# shellcheck disable=SC2086,SC2046 # words
	start many "$MSG" $what $(seq -f 'stop.many.%g' 3000)
	await 30 grep -q 'listening to stop.many.3' "$work/many.err"
	kill -INT "${pids[many]}"
	finish many 60
	is "exit of $what" 0 $code
	check "not all were opened" [ "$(grep -c listening "$work/many.err")" -lt 3000 ]
done

# A pub that waits for its input ends too.
mkfifo "$work/fifo"
exec 9<>"$work/fifo"
"$MSG" pub stop.stdin <"$work/fifo" 2>"$work/stdin.err" &
pids[stdin]=$!
await 30 grep -q publishing "$work/stdin.err"
kill -INT "${pids[stdin]}"
finish stdin
is "exit of a waiting pub" 0 $code
exec 9>&-

# bench reports what it measured so far and leaves no process behind.
start bench "$MSG" bench latency --block --seconds 60 --warmup 0 --rate 1k
await 30 grep -q '^latency' "$work/bench.out"
bench=${pids[bench]}
workers=$(pgrep -P "$bench" | tr '\n' ' ')
[ "$(wc -w <<<"$workers")" = 2 ] || fail "bench has workers '$workers'"
sleep 0.3 # Some messages; there is nothing to await while it measures.
kill -INT "$bench"
finish bench
check "row of what was measured" grep -q '^block ' "$work/bench.out"
for worker in $workers; do
	! kill -0 "$worker" 2>/dev/null || fail "worker $worker is left"
done
