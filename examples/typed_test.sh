#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# typed_test.sh TYPED_PUBLISH TYPED_STRUCT MSG MSGBROKERD - the two typed
# examples, read by programs that never saw their types: directly, through a
# broker, and between who uses one and who does not.
set -euo pipefail
publish=$1 struct=$2 msg=$3 msgbrokerd=$4

work=$(mktemp -d)
pids=()
trap 'end_all; rm -rf "$work"' EXIT
export MSG_BROKER=$work/broker.sock

fail() {
	echo "FAIL: $*" >&2
	cat "$work"/*.err >&2 || true
	exit 1
}

# run POLICY COMMAND... - in that way to the network.
run() {
	MSG_BROKER_POLICY=$1 timeout 40 "${@:2}" 2>>"$work/run.err"
}

# begin POLICY PROGRAM - again and again: it publishes for five seconds.
begin() {
	(
		child=
		trap 'kill $child; exit' TERM
		export MSG_BROKER_POLICY=$1
		while :; do
			"$2" >"$work/begin.out" 2>"$work/begin.err" &
			child=$!
			wait $child
		done
	) &
	pids+=($!)
}

end_all() {
	kill "${pids[@]}" 2>/dev/null || true
	wait
	pids=()
}

# wanted WHAT PATTERN COMMAND... - its first line.  Asked again where the machine had so
# much to do that the type did not come in the three seconds that echo waits for it.
wanted() {
	local i text
	for i in 1 2 3 4 5; do
		text=$("${@:3}")
		text=${text%%$'\n'*}
		! grep -Eqx -- "$2" <<<"$text" || return 0
	done
	fail "$1: '$text' is not '$2'"
}

quote='md\.acme [0-9a-f]{16} [0-9]+ symbol="ACME" price=10(\.[0-9])? side=(BUY|SELL)'
json='\{"event":"message","topic":"md\.acme",.*,"type":"md\.Quote","fields":\{"symbol":"ACME","price":10(\.[0-9])?,"side":"(BUY|SELL)"\}\}'
oven='lab\.oven [0-9a-f]{16} [0-9]+ name="east" step=[0-9]+ celsius=\[[0-9.]+ 20\]'

# of_quotes POLICY - what another process says of the quotes.
of_quotes() {
	wanted "echo, $1" "$quote" run "$1" "$msg" echo -q md.acme -n 1
	wanted "echo --json, $1" "$json" \
		run "$1" "$msg" echo -q --json md.acme -n 1
	# Every message has 10 to 10.9, every other one is BUY.
	for line in 1 2; do
		read -r _ _ _ _ price side
		[[ $side == side=BUY && $price == price=10.[2-9] ]] ||
			fail "filter, $1: line $line is $price $side"
	done < <(run "$1" "$msg" echo -q md.acme 'price > 10.1 and side == BUY' -n 2)
	run "$1" "$msg" type -q md.acme >"$work/type.txt"
	grep -qF 'optional uint32 size = 3 [default = 100];' "$work/type.txt" ||
		fail "msg type, $1: $(cat "$work/type.txt")"
	if run "$1" "$msg" echo -q md.acme 'prize > 10' -n 1 >/dev/null; then
		fail "a filter of no field is taken"
	fi
	grep -q "did you mean 'price'?" "$work/run.err" ||
		fail "no other field is named"
}

of_ovens() {
	wanted "struct, $1" "$oven" run "$1" "$msg" echo -q lab.oven -n 1
	run "$1" "$msg" type -q lab.oven >"$work/type.txt"
	grep -qF 'double celsius[2];' "$work/type.txt" ||
		fail "the struct's text, $1"
	# A pattern, and a filter that fits one of its types.
	wanted "pattern, $1" "$oven" run "$1" "$msg" echo -q '>' 'step >= 0' -n 1
}

begin never "$publish"
of_quotes never
begin never "$struct"
of_ovens never

"$msgbrokerd" --config /dev/null --socket "$MSG_BROKER" --interface lo \
	--lane udp --port "$MSG_PORT" --groups "$MSG_GROUPS" \
	>"$work/broker.out" 2>"$work/broker.err" &
pids+=($!)
for ((i = 0; i < 200; i++)); do
	! grep -q started: "$work/broker.err" || break
	sleep 0.1
done

# Those of before, which go on without it, are asked by the broker.
of_ovens require
# And it answers for those of its own.
kill "${pids[0]}" # The direct one of the same topic.
begin require "$publish"
of_quotes require
of_quotes never
echo "types are known in every way to the network"
