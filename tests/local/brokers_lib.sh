# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# brokers_lib.sh - two hosts, each with a broker, and programs on both.  Sourced, not
# run, with `wire` set if the cable between them is to be a bad one (hosts.sh).
#
#   serve HOST NAME           a broker there, until it serves; with what the array
#                             broker_options holds
#   side HOST BROKER NAME ARGUMENT...   reliable_sides there, through that broker or,
#                             "-", without; what it gets beside by the environment
#                             is in the array side_env
#   ends TOPIC SECONDS NAME...  each of them with 0, in that time
#   brokers                   "right" on host b and "left" on host a
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${SIDES:?is not set: the path of the program reliable_sides}"
case $SIDES in /*) ;; *) SIDES=$PWD/$SIDES ;; esac
. "$(dirname "${BASH_SOURCE[0]}")/hosts.sh"
groups=$MSG_GROUPS port=$MSG_PORT
unset MSG_GROUPS MSG_PORT
side_env=()
broker_options=()

serve() {
	start "$2" at "$1" "$MSGBROKERD" --config "$work/empty.conf" \
		--socket "$place/$2.sock" --name "$2" --interface veth0 \
		--groups "$groups" --port "$port" "${broker_options[@]}"
	await 30 grep -q 'info: started:' "$work/$2.err"
}

side() {
	local host=$1 broker=$2 name=$3 way
	shift 3
	if [ "$broker" = - ]; then
		way=(MSG_BROKER_POLICY=never MSG_INTERFACE=veth0
			MSG_GROUPS="$groups" MSG_PORT="$port")
	else
		way=(MSG_BROKER_POLICY=require MSG_BROKER="$place/$broker.sock")
	fi
	start "$name" at "$host" env "${way[@]}" "${side_env[@]}" "$SIDES" "$@"
	await 30 grep -q ready "$work/$name.out"
}

# What the brokers have counted, among the output that a failure prints.
books() {
	local name
	for name in left right; do
		[ -S "$place/$name.sock" ] || continue
		MSG_BROKER=$place/$name.sock timeout 10 "$MSG" info --json \
			>"$work/$name.info.out" 2>&1
	done
}

ends() {
	local topic=$1 limit=$2 name
	shift 2
	for name; do
		finish "$name" "$limit"
		[ "$code" = 0 ] || books
		is "$topic: exit of $name" 0 "$code"
	done
}

brokers() {
	serve "$b" right
	serve "$a" left
}
