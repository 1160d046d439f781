#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_find.sh [SECONDS] - a broker's first rc topics, while libfabric's providers
# of connections are not found yet: who wants one waits, for SECONDS (1; a client
# waits for 5 where it is told nothing), and everybody else is served.
seconds=${1:-1}
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${SLOW_FIND:?is not set: the path of slow_find.so}"
[ "$MSG_LANE" = udp ] || skip "only a kernel lane finds them when they are wanted"

gate=$work/gate
trap 'touch "$gate"; cleanup' EXIT # Who waits there hears no signal.
# A sanitizer wants to be the first that is loaded, unless told.
start broker env LD_PRELOAD="$SLOW_FIND" FIND_GATE="$gate" \
	ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" \
	"$MSGBROKERD" --config "$work/empty.conf" --socket "$place/a.sock" --name a
await 20 grep -q 'info: started:' "$work/broker.err"
export MSG_BROKER=$place/a.sock MSG_BROKER_POLICY=require

# serves TOPIC: one that needs no connections.
serves() {
	start other "$MSG" pub -m hello "$1"
	finish other 20
	is "a publisher of $1 meanwhile" 0 "$code"
}

# From a publisher on the lane: the broker hears of it.
start far "$MSG" echo -n 3 topic.far
listening far
MSG_BROKER_POLICY=never start lane "$MSG" pub --reliability rc --linger 60 \
	-m one -m two -m three topic.far
await 30 test -e "$gate.asked"
serves topic.other
# And from one of its own.
start near "$MSG" echo -n 3 topic.near
listening near
start pub "$MSG" pub --reliability rc -m one -m two -m three topic.near
sleep "$seconds"
serves topic.another
ended far && fail "it came without a connection"
ended pub && fail "it was served while they were not found"
touch "$gate"
finish pub
is "the publisher that waited" 0 "$code"
for i in near far; do
	finish $i
	is "what waited for $i" 0 "$code"
	is "what came of topic.$i" "one two three " "$(cut -d ' ' -f 4 "$work/$i.out" | tr '\n' ' ')"
done
kill "${pids[lane]}"
finish lane
echo "all came"
