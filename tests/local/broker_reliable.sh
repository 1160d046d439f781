#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_reliable.sh - reliable topics between two hosts whose cable loses 1 and
# 10 % of all datagrams: four subscribers behind one broker get everything, in
# order, from a publisher straight on the lane and from one behind a broker.  Then
# that broker is killed in the middle and another one takes over: what is lost by
# that is said, to the message, and the stream goes on.
# COUNT, SEED and RATE in the environment replay a run.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${SIDES:?is not set: the path of the program reliable_sides}"
case $SIDES in /*) ;; *) SIDES=$PWD/$SIDES ;; esac
case $WIRE in /*) ;; *) WIRE=$PWD/$WIRE ;; esac
seed=${SEED:-$RANDOM$RANDOM}
count=${COUNT:-100000}
per_mille=${PER_MILLE:-$1}
wire="$per_mille $seed"
echo "SEED=$seed COUNT=$count PER_MILLE=$per_mille"
. "$(dirname "${BASH_SOURCE[0]}")/hosts.sh"
groups=$MSG_GROUPS port=$MSG_PORT
unset MSG_GROUPS MSG_PORT

serve() { # HOST NAME
	start "$2" at "$1" "$MSGBROKERD" --config "$work/empty.conf" \
		--socket "$place/$2.sock" --name "$2" --interface veth0 \
		--groups "$groups" --port "$port"
	await 20 grep -q 'info: started:' "$work/$2.err"
}

# side HOST BROKER NAME ARGUMENT...: a publisher or subscriber; BROKER "-": none.
side() {
	local host=$1 broker=$2 name=$3
	shift 3
	if [ "$broker" = - ]; then
		start "$name" at "$host" env MSG_BROKER_POLICY=never \
			MSG_INTERFACE=veth0 MSG_GROUPS="$groups" \
			MSG_PORT="$port" "$SIDES" "$@"
	else
		start "$name" at "$host" env MSG_BROKER_POLICY=require \
			MSG_BROKER="$place/$broker.sock" "$SIDES" "$@"
	fi
	await 20 grep -q ready "$work/$name.out"
}

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
	for i in sub1 sub2 sub3 sub4 straight; do
		finish "$i" 200
		is "$topic: exit of $i" 0 $code
	done
	[ "$broker" = - ] || finish local 60
	is "$topic: exit of the local one" 0 $code
	finish pub 60
	is "$topic: exit of the publisher" 0 $code
	echo "$topic: $(cat "$work/pub.out" | tail -1)"
}

# Some are lost while there is no broker; nobody is to miss one unseen, and the
# one on the publisher's own host none at all.
restart() {
	local topic=restarted each i said
	for i in sub1 sub2; do
		side "$b" right $i subscribe $topic "$count" "$seed" \
			$((count / 2))
	done
	side "$b" - straight subscribe $topic "$count" "$seed" $((count / 2))
	side "$a" left local subscribe $topic "$count" "$seed" 0
	side "$a" left pub publish $topic "$count" "$seed" 1 500 \
		$((count / 5))
	for each in 1 2; do
		sleep 1.3
		kill -KILL "${pids[left]}"
		finish left
		sleep 0.2
		serve "$a" left
	done
	for i in sub1 sub2 straight local; do
		finish "$i" 100
		is "$topic: exit of $i" 0 $code
		said=$(tail -n 1 "$work/$i.out")
		echo "$topic: $i: $said"
		# One gap a broker, and what the cable had just lost; with the
		# next one what it loses is repaired as before, hundreds.
		said=${said#* in }
		check "$topic: gaps of $i" [ "${said%% *}" -le 30 ]
	done
	finish pub 60
	is "$topic: exit of the publisher" 0 $code
}

: >"$work/empty.conf"
serve "$b" right
serve "$a" left
run from.lane - 1
run from.broker left 1
restart
kill "${pids[wire]}"
finish wire
cat "$work/wire.out"
