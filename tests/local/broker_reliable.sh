#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_reliable.sh - reliable topics between two hosts whose cable loses 1 and
# 10 % of all datagrams: four subscribers behind one broker get everything, in
# order, from a publisher straight on the lane and from one behind a broker.  Then
# that broker is killed in the middle and another one takes over: what is lost by
# that is said, to the message, and the stream goes on.
# COUNT, SEED, RATE and AWAY (seconds without a broker) in the environment replay a
# run.
case $WIRE in /*) ;; *) WIRE=$PWD/$WIRE ;; esac
seed=${SEED:-$RANDOM$RANDOM}
count=${COUNT:-100000}
per_mille=${PER_MILLE:-$1}
# shellcheck disable=SC2034 # for hosts.sh
wire="$per_mille $seed"
# What is lost is said with its cause.
export SIDES_WHY=1
echo "SEED=$seed COUNT=$count PER_MILLE=$per_mille"
# shellcheck source=tests/local/brokers_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/brokers_lib.sh" || exit 1

# Nobody waits for who reads behind a broker, and here no reader is to be lapped
# while the machine does something else: all that is published finds room.
broker_options=(--slots 32768)

# run TOPIC BROKER FLOW: from host a, by its broker or without, to four behind
# the broker of host b and one more behind none.
run() {
	local topic=$1 broker=$2 flow=$3 i
	for i in 1 2 3 4; do
		side "$b" right "sub$i" subscribe "$topic" "$count" "$seed" 0
	done
	side "$b" - straight subscribe "$topic" "$count" "$seed" 0
	[ "$broker" = - ] || side "$a" "$broker" "local" \
		subscribe "$topic" "$count" "$seed" 0
	side "$a" "$broker" pub publish "$topic" "$count" "$seed" "$flow" 1000 \
		"${RATE:-40000}"
	ends "$topic" 200 sub1 sub2 sub3 sub4 straight
	[ "$broker" = - ] || ends "$topic" 60 local
	ends "$topic" 60 pub
	echo "$topic: $(cat "$work/pub.out" | tail -1)"
}

# Some are lost while there is no broker; nobody is to miss one unseen, and the
# one on the publisher's own host none at all.  What is published when the last
# broker is there comes to all: the publisher keeps a tenth for that.
restart() {
	local topic=restarted each i said
	for i in sub1 sub2; do
		side "$b" right $i subscribe $topic "$count" "$seed" \
			$((count - count / 10))
	done
	side "$b" - straight subscribe $topic "$count" "$seed" \
		$((count - count / 10))
	side "$a" left local subscribe $topic "$count" "$seed" 0
	side_env=(SIDES_BROKERS=2)
	side "$a" left pub publish $topic "$count" "$seed" 1 500 \
		$((count / 5))
	side_env=()
	for each in 1 2; do
		sleep 1.3
		kill -KILL "${pids[left]}"
		finish left
		sleep "${AWAY:-0.2}"
		serve "$a" left
	done
	for i in sub1 sub2 straight local; do
		ends $topic 100 $i
		said=$(grep '^all came' "$work/$i.out")
		echo "$topic: $i: $said"
		# One gap a broker, and what the cable had just lost, the more the
		# busier the machine; with the next one what it loses is repaired
		# as before, several times as much.
		said=${said#* in }
		check "$topic: gaps of $i" \
			[ "${said%% *}" -le $((20 + 2 * per_mille)) ]
	done
	ends $topic 60 pub
}

: >"$work/empty.conf"
brokers
run from.lane - 1
run from.broker left 1
restart
kill "${pids[wire]}"
finish wire
cat "$work/wire.out"
