#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# bench.sh - all modes of bench: counts agree, JSON is valid, roles meet.
. "${BASH_SOURCE%/*}/lib.sh"

field() { # field NAME FILE: the first number of that name
	sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p" "$2" | head -1
}
first() { # as field, of the first occurrence in the line
	grep -o "\"$1\":[0-9.e+-]*" "$2" | head -1 | cut -d: -f2
}

"$MSG" bench latency -q --rate 1k --count 300 --warmup 0.2 --subscribers 2 \
	--json --histogram "$work/columns" >"$work/latency.json" ||
	fail "latency: exit $?"
check "JSON" json_valid "$work/latency.json"
is "both ways of waiting" '"wait":"spin" "wait":"block" ' \
	"$(grep -o '"wait":"[a-z]*"' "$work/latency.json" | tr '\n' ' ')"
is "warm-up is not counted" 300 "$(first sent "$work/latency.json")"
is "two subscribers" 600 "$(first received "$work/latency.json")"
is "samples" 600 "$(first samples "$work/latency.json")"
is "lost" 0 "$(first lost "$work/latency.json")"
is "each got all" '"received_by":[300,300]' \
	"$(grep -o '"received_by":\[[0-9,]*\]' "$work/latency.json" | head -1)"
# Percentiles are in order and above zero.
order=$(grep -o '"min":.*' "$work/latency.json" | head -1 |
	grep -Eo '"(min|p50|p90|p99|p99.9|max)":[0-9]+' | head -6 | cut -d: -f2)
is "six percentiles" 6 "$(wc -w <<<"$order")"
check "percentiles in order" sort -nc <<<"$order"
[ "$(head -1 <<<"$order")" -gt 0 ] || fail "a latency of zero"
# The columns add up.
awk '!/^#/ && NF { n++; if (NF != 4) exit 1; last = $3 }
	/^$/ && n { if (!blank++) one = last } END { exit !(one == 600 &&
	last == 600) }' "$work/columns" || fail "the histogram does not add up"

"$MSG" bench throughput -q --block --seconds 0.3 --warmup 0.1 --size 64 \
	--window 512 --json >"$work/throughput.json" || fail "throughput: $?"
check "JSON" json_valid "$work/throughput.json"
sent=$(first sent "$work/throughput.json")
received=$(first received "$work/throughput.json")
lost=$(first lost "$work/throughput.json")
[ "$sent" -gt 100 ] || fail "only $sent messages in 0.3 s"
is "what was sent was received or lost" "$sent" $((received + lost))
"$MSG" bench throughput --spin --seconds 0.2 --warmup 0 --rate 5k \
	>"$work/table" 2>"$work/table.err" || fail "throughput: exit $?"
check "machine" grep -q '^machine .*cores' "$work/table"
check "lane" grep -q '^lane ' "$work/table"
check "row" grep -Eq '^spin .*, ' "$work/table"

# Large messages are measured too.
"$MSG" bench latency -q --block --size 100000 --rate 50 --count 10 --warmup 0 \
	--require loss=0 >"$work/large" || fail "large messages: exit $?"

# Roundtrip: both ends here, then each by itself.
"$MSG" bench roundtrip -q --count 200 --warmup 0.1 --json --require loss=0 \
	>"$work/round.json" || fail "roundtrip: exit $?"
check "JSON" json_valid "$work/round.json"
is "all came back" 200 "$(first received "$work/round.json")"
start pong "$MSG" bench roundtrip --role pong
"$MSG" bench roundtrip --role ping --block --count 100 --warmup 0 \
	--require loss=0 >"$work/ping.out" 2>"$work/ping.err" ||
	fail "ping: exit $?"
check "row" grep -Eq '^block .* 100 +0 ' "$work/ping.out"
kill -INT "${pids[pong]}"
finish pong
is "exit of pong" 0 $code
