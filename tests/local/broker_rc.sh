#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_rc.sh - topics had by connections, between the brokers of two hosts: from
# a publisher straight on the lane and from one behind a broker, everything reaches
# two subscribers behind one broker, which connects once, and one straight on the
# lane.  Then the publisher's broker is killed and comes again.
seed=${SEED:-$RANDOM$RANDOM}
count=${COUNT:-50000}
echo "SEED=$seed COUNT=$count"
# shellcheck source=tests/local/brokers_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/brokers_lib.sh" || exit 1
command -v ss >/dev/null || skip "no ss command (iproute2)"
side_env=(SIDES_RC=0)

connections() { # from host b to host a
	at "$b" ss -Htn state established dst 10.77.0.1 | wc -l
}
connected() { [ "$(connections)" = "$1" ]; }

# run TOPIC BROKER: from host a, by its broker or without.
run() {
	local topic=$1 broker=$2 i
	for i in sub1 sub2; do
		side "$b" right $i subscribe "$topic" "$count" "$seed" 0
	done
	side "$b" - straight subscribe "$topic" "$count" "$seed" 0
	[ "$broker" = - ] || side "$a" "$broker" "local" \
		subscribe "$topic" "$count" "$seed" 0
	rm -f "$work/go"
	side_env=(SIDES_RC=0 SIDES_GO="$work/go")
	side "$a" "$broker" pub publish "$topic" "$count" "$seed" 0 0 0
	side_env=(SIDES_RC=0)
	await 30 connected 2
	touch "$work/go"
	ends "$topic" 60 sub1 sub2 straight
	[ "$broker" = - ] || ends "$topic" 60 local
	ends "$topic" 60 pub
	echo "$topic: $(head -n 3 "$work/pub.out" | tail -n 1)"
}

# Some are lost while there is no broker; nobody misses one unseen, and the one on
# the publisher's own host none at all.
restart() {
	local topic=restarted i
	# A third is sent before it dies, less on a busy machine, and a tenth behind
	# the next one.
	side "$b" right sub1 subscribe $topic "$count" "$seed" $((count * 17 / 20))
	side "$b" - straight subscribe $topic "$count" "$seed" $((count * 17 / 20))
	side "$a" left local subscribe $topic "$count" "$seed" 0
	side_env=(SIDES_RC=0 SIDES_BROKERS=1)
	side "$a" left pub publish $topic "$count" "$seed" 0 1500 $((count / 5))
	sleep 3
	kill -KILL "${pids[left]}"
	finish left
	sleep 0.2
	serve "$a" left
	for i in sub1 straight local; do
		ends $topic 60 $i
		echo "$topic: $i: $(tail -n 1 "$work/$i.out")"
	done
	ends $topic 60 pub
}

: >"$work/empty.conf"
brokers
run from.lane -
run from.broker left
restart
echo "all came"
