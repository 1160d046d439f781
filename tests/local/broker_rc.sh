#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_rc.sh - topics had by connections, between the brokers of two hosts: from
# a publisher straight on the lane and from one behind a broker, everything reaches
# two subscribers behind one broker, which connects once, and one straight on the
# lane.  Then the publisher's broker is killed and comes again.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${SIDES:?is not set: the path of the program reliable_sides}"
case $SIDES in /*) ;; *) SIDES=$PWD/$SIDES ;; esac
command -v ss >/dev/null || skip "no ss command (iproute2)"
seed=${SEED:-$RANDOM$RANDOM}
count=${COUNT:-50000}
echo "SEED=$seed COUNT=$count"
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
			MSG_PORT="$port" SIDES_RC=0 "$SIDES" "$@"
	else
		start "$name" at "$host" env MSG_BROKER_POLICY=require \
			MSG_BROKER="$place/$broker.sock" SIDES_RC=0 "$SIDES" "$@"
	fi
	await 20 grep -q ready "$work/$name.out"
}

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
	side "$a" "$broker" pub publish "$topic" "$count" "$seed" 0 1500 0
	await 10 connected 2
	for i in sub1 sub2 straight; do
		finish $i 60
		is "$topic: exit of $i" 0 $code
	done
	[ "$broker" = - ] || finish local 60
	is "$topic: exit of the local one" 0 $code
	finish pub 60
	is "$topic: exit of the publisher" 0 $code
	echo "$topic: $(head -n 3 "$work/pub.out" | tail -n 1)"
}

# Some are lost while there is no broker; nobody misses one unseen, and the one on
# the publisher's own host none at all.
restart() {
	local topic=restarted i
	side "$b" right sub1 subscribe $topic "$count" "$seed" $((count / 2))
	side "$b" - straight subscribe $topic "$count" "$seed" $((count / 2))
	side "$a" left local subscribe $topic "$count" "$seed" 0
	side "$a" left pub publish $topic "$count" "$seed" 0 1500 $((count / 5))
	sleep 3
	kill -KILL "${pids[left]}"
	finish left
	sleep 0.2
	serve "$a" left
	for i in sub1 straight local; do
		finish $i 60
		is "$topic: exit of $i" 0 $code
		echo "$topic: $i: $(tail -n 1 "$work/$i.out")"
	done
	finish pub 60
	is "$topic: exit of the publisher" 0 $code
}

: >"$work/empty.conf"
serve "$b" right
serve "$a" left
run from.lane -
run from.broker left
restart
echo "all came"
