#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record_slow.sh - a slow disk slows nobody: the publisher keeps its pace, what
# finds no room is dropped, and the file tells each message that it lacks.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1
: "${SLOW:?is not set: the path of slow_disk.so}"
case $SLOW in /*) ;; *) SLOW=$PWD/$SLOW ;; esac
count=20000

head -c 2000 /dev/urandom >"$work/payload"
publish() { # seconds that it took
	"$MSG" pub slow.a -f "$work/payload" --rate 8000 --count $count \
		"${to_patterns[@]}" 2>"$work/pub.err" || fail "pub: exit $?"
	sed -nE 's/.* in ([0-9.]+) s: .*/\1/p' "$work/pub.err"
}

# judge NAME FILE: what the recorder said, and what is in its file.
judge() {
	local lost dropped messages
	whole "$2"
	told "$2"
	messages=$(info "$2" 'f["messages"]')
	dropped=$(info "$2" 'f["dropped"]')
	lost=$(info "$2" 'f["lost"]')
	is "$1: messages, dropped, lost" $count $((messages + dropped + lost))
	check "$1: something was dropped" [ "$dropped" -gt 100 ]
	check "$1: something was recorded" [ "$messages" -gt 100 ]
	check "$1: who recorded says the same" grep -q \
		" $messages messages, .* $lost lost on the way, $dropped dropped here" \
		"$work/record.err"
	check "$1: the reason" [ "$(info "$2" \
		'sum(l["lost"] for l in f["losses"] if l["reason"] == "disk")')" \
		-ge "$dropped" ]
	# Each loss by itself is in order, they do not overlap, and are few.
	"$MSG" file info --json --losses "$2" >"$work/losses.out"
	python3 - "$work/losses.out" "$((dropped + lost))" <<-'END' || fail "$1: losses"
	import json, sys
	end, total, events = 0, 0, 0
	for line in open(sys.argv[1]):
	    e = json.loads(line)
	    if e["event"] != "lost":
	        continue
	    assert e["first"] >= end and e["last"] - e["first"] + 1 == e["lost"], e
	    end, total, events = e["last"] + 1, total + e["lost"], events + 1
	assert events <= 100, events
	assert total == int(sys.argv[2]), total
	END
	echo "$1: $messages recorded, $dropped dropped, $lost lost, in $3 s"
}

# The pace of the publisher with a recorder that nothing holds up: whatever the disk
# does, all of it finds room.
recording record "$work/good.mcap" 'slow.*' --sync=group:5ms --queue-bytes 64Mi
base=$(publish)
stop_recording record $count
is "exit" 0 $code
told "$work/good.mcap"
is "dropped by a good disk" 0 "$(info "$work/good.mcap" 'f["dropped"]')"

# Were it held up by the disk, it would take ten times as long as with none.
slower() { # slower NAME SECONDS: no more than twice the base
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(b > 2 * a)' \
		"$base" "$2" || fail "$1: the publisher took $2 s, alone $base s"
}

# A disk that takes 300 ms for each sync, with room for 30 ms in the queue.
slow_recording record 300 "$work/slow.mcap" 'slow.*' --sync=group:5ms \
	--queue-bytes 512Ki --max-bytes 64Ki
took=$(publish)
stop_recording record $count
is "exit" 0 $code
slower "a slow disk" "$took"
judge "a slow disk" "$work/slow.mcap" "$took"

# A pipe whose reader takes its time, until the publisher is done.
mkfifo "$work/fifo"
(
	exec <"$work/fifo"
	while [ ! -e "$work/done" ]; do
		dd bs=16k count=1 status=none
		sleep 0.05
	done
	cat
) >"$work/piped.mcap" &
pids[reader]=$!
recording record "$work/fifo" 'slow.*' --queue-bytes 1Mi --max-bytes 64Ki \
	--compression none
took=$(publish)
touch "$work/done"
stop_recording record $count
is "exit" 0 $code
finish reader
slower "a slow pipe" "$took"
judge "a slow pipe" "$work/piped.mcap" "$took"

# --require is about it, too.
"$MSG" record -q -o "$work/unmet.mcap" 'none.*' --duration 0.2 \
	--require messages=1,dropped=0 2>"$work/unmet.err"
is "exit when a requirement is unmet" 1 $?
check "what is unmet" grep -q messages "$work/unmet.err"

# A disk that is full ends the recording, with its reason.
if [ -w /dev/full ]; then
	start full "$MSG" record -o /dev/full 'slow.*' --duration 20
	finish full
	is "exit with a full disk" 1 $code
	check "says so" grep -q 'cannot write /dev/full: No space left' \
		"$work/full.err"
fi
