#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record_losses.sh - what never came to the recorder stands in the file where it
# is missing: a recorder that was stopped, straight on the lane and behind a
# broker, and publishers that restart.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1

# stopped NAME: the recorder sleeps while more comes than anybody holds for it.
stopped() {
	local name=$1 lost
	recording record "$work/$name.mcap" 'gone.*' --buffers 64 --max-bytes 4k
	start pub "$MSG" pub gone.a --size 1000 --rate 20000 --count 60000
	await 20 grep -q publishing "$work/pub.err"
	sleep 0.5
	kill -STOP "${pids[record]}"
	sleep 1.5
	kill -CONT "${pids[record]}"
	finish pub 30
	stop_recording record 60000
	is "$name: exit" 0 $code
	whole "$work/$name.mcap"
	told "$work/$name.mcap"
	lost=$(info "$work/$name.mcap" 'f["lost"]')
	check "$name: something was lost" [ "$lost" -gt 0 ]
	is "$name: messages and losses" 60000 \
		"$(info "$work/$name.mcap" 'f["messages"] + f["lost"] + f["dropped"]')"
	"$MSG" file info "$work/$name.mcap" --losses >"$work/$name.info"
	check "$name: a line of each" grep -qE \
		"^[-0-9T:.]+Z gone\.a [0-9a-f]{16} lost [0-9]+ \([0-9]+ to [0-9]+\): $2$" \
		"$work/$name.info"
	echo "$name: $lost lost"
}
stopped lane network

# restarts NAME
restarts() {
	local i events
	recording record "$work/$1.mcap" 'born.*'
	for i in 1 2 3; do
		"$MSG" pub -q born.a --size 20 --rate 1000 --count 50 \
			"${to_patterns[@]}" || fail "pub: exit $?"
	done
	stop_recording record 150
	whole "$work/$1.mcap"
	is "$1: channels" 3 "$(info "$work/$1.mcap" 'len(f["channels"])')"
	is "$1: messages" 150 "$(info "$work/$1.mcap" 'f["messages"]')"
	events=$(grep -ao '"event":"restarted"' "$work/$1.mcap" | wc -l)
	is "$1: restarts told" 2 "$events"
}
# Events are read where nothing is packed.
recording() {
	local name=$1 file=$2
	shift 2
	start "$name" "$MSG" record -o "$file" --json --compression none "$@"
	listening "$name"
}
restarts direct

unset MSG_LANE MSG_INTERFACE MSG_PORT MSG_GROUPS
export MSG_BROKER_POLICY=require MSG_BROKER=$place/a.sock
broker a
stopped broker lapped
restarts brokered
