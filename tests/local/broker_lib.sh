# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# broker_lib.sh - what the scripts about msgbrokerd share.  Sourced, not run.
#
#   broker NAME [OPTION...]   start one with socket $place/NAME.sock and wait
#                             until it serves; its log is $work/NAME.err
#   attempt WANTED [OPTION...]  run one that must end with that exit code; what
#                             it says is $work/attempt.err
#   said TEXT                 that sentence holds TEXT
#   talk NAME ARGUMENTS...    start broker_talk ($TALK) as part of broker a
#   clients PATH COUNT HOLD [LEFT]   connect so often, wait until no more than LEFT
#                             are open, and hold them that long; prints how many
#                             are still open then (python3)
# shellcheck source=tests/local/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh" || exit 1
: "${MSGBROKERD:?is not set: the path of the program msgbrokerd}"
case $MSGBROKERD in /*) ;; *) MSGBROKERD=$PWD/$MSGBROKERD ;; esac
unset MSG_BROKER NOTIFY_SOCKET WATCHDOG_USEC LISTEN_FDS LISTEN_PID JOURNAL_STREAM
place=$work/place
mkdir "$place"
: >"$work/empty.conf"
quiet=(--no-network --config "$work/empty.conf")

broker() {
	local name=$1
	shift
	start "$name" "$MSGBROKERD" "${quiet[@]}" \
		--socket "$place/$name.sock" --name "$name" "$@"
	await 20 grep -q 'info: started:' "$work/$name.err"
}

talk() {
	local name=$1
	shift
	start "$name" "$TALK" "$place/a.sock" "$@"
	await 10 grep -q ready "$work/$name.out"
}

attempt() {
	local wanted=$1
	shift
	timeout 20 "$MSGBROKERD" "${quiet[@]}" "$@" \
		>"$work/attempt.out" 2>"$work/attempt.err" </dev/null
	is "exit of: msgbrokerd $*" "$wanted" $?
	is "stdout of: msgbrokerd $*" "" "$(cat "$work/attempt.out")"
}

said() {
	grep -qF -- "$1" "$work/attempt.err" ||
		fail "wanted '$1', got '$(cat "$work/attempt.err")'"
}

need_python() {
	python3 -c '' 2>/dev/null || skip "no python3 to be a client with"
}

clients() {
	python3 - "$@" <<-'END'
	import select, socket, sys, time
	path, count, hold = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
	left = int(sys.argv[4]) if len(sys.argv) > 4 else count
	held = []
	for i in range(count):
	    held.append(socket.socket(socket.AF_UNIX))
	    held[-1].connect(path)
	def look(seconds, most):
	    limit = time.monotonic() + seconds
	    while time.monotonic() < limit and len(held) > most:
	        ready = select.select(held, [], [],
	                              max(0, limit - time.monotonic()))[0]
	        for one in ready:
	            try:
	                gone = not one.recv(65536)
	            except ConnectionError:
	                gone = True
	            if gone:
	                held.remove(one)
	look(20, left)
	look(hold, 0)
	print(len(held))
	END
}
