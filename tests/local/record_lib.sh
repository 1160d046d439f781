# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# record_lib.sh - what the scripts about recordings share.  Sourced, not run.
#
#   recording NAME FILE OPTION...   start `msg record --json` and wait until it listens
#   slow_recording NAME MS FILE OPTION...   the same with a disk that takes so many
#                                   ms for each sync; $SLOW
#   stop_recording NAME [COUNT]     SIGINT, and wait; its exit code in $code.  Not
#                                   before COUNT messages came, were lost or dropped:
#                                   what then waits to be taken is not recorded
#   info FILE EXPRESSION            a value of `msg file info --json`, by python3:
#                                   the object is f
#   infos EXPRESSION FILE...        the same of several: fs
#   streams FILE [PREFIX]           what `msg echo --json` wrote, as lines "topic
#                                   publisher's place payload", ordered by stream
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
need_python
export MSG_BROKER_POLICY=never

recording() {
	local name=$1 file=$2
	shift 2
	start "$name" "$MSG" record -o "$file" --json "$@"
	listening "$name"
}

slow_recording() {
	local name=$1 ms=$2 file=$3
	shift 3
	# A sanitizer wants to be the first that is loaded, unless told.
	start "$name" env LD_PRELOAD="$SLOW" SLOW_MS="$ms" \
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" \
		"$MSG" record -o "$file" --json "$@"
	listening "$name"
}

# By what it says once a second.
has_come() {
	local said
	said=$(tail -n 1 "$work/$1.out" |
		sed -nE 's/.*"messages":([0-9]+),.*"lost":([0-9]+),"dropped":([0-9]+),.*/\1+\2+\3/p')
	[ $((${said:-0})) -ge "$2" ]
}

stop_recording() {
	[ $# -lt 2 ] || await 30 has_come "$1" "$2"
	kill -INT "${pids[$1]}"
	finish "$1" 30
}

infos() {
	local expression=$1
	shift
	"$MSG" file info --json "$@" >"$work/info.json" 2>"$work/info.err"
	python3 - "$work/info.json" "$expression" <<-'END'
	import json, sys
	fs = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
	f = fs[0]
	print(eval("(" + sys.argv[2] + ")"))
	END
}

info() {
	infos "$2" "$1"
}

# Nothing is missing that the files do not tell, nor in disorder.
told() {
	is "untold messages, and others in disorder, in $*" 0 "$(infos '
		sum(c.get("untold", 0) + c.get("disorder", 0)
			for f in fs for c in f["channels"])' "$@")"
}

whole() {
	"$MSG" file info "$@" >"$work/whole.out" 2>"$work/whole.err" ||
		fail "not whole: $(grep -v ': whole$' "$work/whole.out" | head -n 3)"
}

streams() {
	python3 - "$1" "${2:-}" <<-'END'
	import json, sys
	streams, prefix = {}, sys.argv[2]
	for line in open(sys.argv[1], encoding="utf-8"):
	    m = json.loads(line)
	    if m["event"] != "message":
	        continue
	    assert m["lost_before"] == 0, m
	    assert m["topic"].startswith(prefix), m
	    key = (m["topic"][len(prefix):], m["publisher"])
	    payload = m.get("base64") if "base64" in m else "text " + repr(m["text"])
	    streams.setdefault(key, []).append(payload)
	# Publishers' numbers differ; the order in which they came does not.
	places, out = {}, []
	for topic, publisher in streams:
	    place = places[topic] = places.get(topic, -1) + 1
	    for payload in streams[topic, publisher]:
	        out.append((topic, place, payload))
	out.sort(key=lambda m: m[:2])  # Stable: the order within a stream stays.
	for m in out:
	    print(*m)
	END
}

# So many messages were shown by an echo.
shown() { [ "$(grep -c '"event":"message"' "$work/$1.out")" -ge "$2" ]; }
