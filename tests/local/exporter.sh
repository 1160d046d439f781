#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# exporter.sh - msg-exporter serves what brokers count, in both dialects, whatever
# state they are in, and refuses all else.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${TALK:?is not set: the path of the program broker_talk}"
[ -x "${EXPORTER:-}" ] || skip "msg-exporter is not built: no libmicrohttpd"
need_python
export XDG_RUNTIME_DIR=$work/run
place=$XDG_RUNTIME_DIR/msg
mkdir -p "$place"

# fetch FILE [PATH [HEADER [METHOD]]]: the status; the body in FILE, headers beside
fetch() {
	python3 - "$url" "$@" <<-'END'
	import sys, http.client
	host, out = sys.argv[1], sys.argv[2]
	path = sys.argv[3] if len(sys.argv) > 3 else "/metrics"
	accept = sys.argv[4] if len(sys.argv) > 4 else "*/*"
	method = sys.argv[5] if len(sys.argv) > 5 else "GET"
	c = http.client.HTTPConnection(host, timeout=10)
	c.request(method, path, headers={"Accept": accept})
	r = c.getresponse()
	open(out, "wb").write(r.read())
	open(out + ".head", "w").write(str(r.headers))
	print(r.status)
	END
}
value() { # value FILE FAMILY LABELS...: of the one sample that has them all
	local file=$1 family=$2 lines label
	shift 2
	lines=$(grep "^$family[{ ]" "$file")
	for label; do
		lines=$(grep -F "$label" <<<"$lines")
	done
	[ "$(wc -l <<<"$lines")" = 1 ] || fail "$family $*: not one line: $lines"
	echo "${lines##* }"
}
scrape() { is "status" 200 "$(fetch "$work/metrics" "$@")"; }

broker a
start exporter "$EXPORTER" --listen 127.0.0.1:0
await 10 grep -q serving "$work/exporter.err"
url=$(sed -n 's|.*http://\(.*\)/metrics|\1|p' "$work/exporter.err")

scrape
is "a broker without clients is up" 1 "$(value "$work/metrics" msg_broker_up 'broker="a"')"
talk pub publish 'md.a"\b' 1000
talk taker subscribe 'md.>' take lap
talk stuck subscribe 'md.a"\b' stuck lap
counted() {
	scrape
	grep -q '^msg_broker_publisher_messages_total{.*} [1-9]' "$work/metrics" &&
		grep -q "^msg_broker_reader_slow{.*pid=\"${pids[stuck]}\".*} 1" \
			"$work/metrics"
}
await 20 counted
is "the topic, escaped" 1 "$(grep -c '^msg_broker_stream_head_total{broker="a",topic="md.a\\"\\\\b",' "$work/metrics")"
is "who is slow" "1 0" "$(value "$work/metrics" msg_broker_reader_slow \
	"pid=\"${pids[stuck]}\"") $(value "$work/metrics" msg_broker_reader_slow \
	"pid=\"${pids[taker]}\"")"
# Beside it may be the broker of another test, where root has his.
is "a user" 3 "$(value "$work/metrics" msg_broker_user_connections 'broker="a"' "uid=\"$(id -u)\"")"
is "left out" 0 "$(value "$work/metrics" msg_exporter_samples_left_out)"
check "its type" grep -q 'text/plain; version=0.0.4' "$work/metrics.head"

# Counters go up, the broker is not asked: it may be stopped.
before=$(value "$work/metrics" msg_broker_publisher_messages_total 'broker="a"')
counted_on() {
	scrape
	[ "$(value "$work/metrics" msg_broker_publisher_messages_total \
		'broker="a"')" -gt "$before" ]
}
await 20 counted_on
kill -STOP "${pids[a]}"
down() { scrape; [ "$(value "$work/metrics" msg_broker_up 'broker="a"')" = 0 ]; }
await 10 down
check "what it counted is still told" grep -q '^msg_broker_publisher_messages_total' \
	"$work/metrics"
kill -CONT "${pids[a]}"
up() { scrape; [ "$(value "$work/metrics" msg_broker_up 'broker="a"')" = 1 ]; }
await 10 up

# The form: each family once, before its samples, in one piece; each sample once.
form() {
	python3 - "$1" "$2" <<-'END'
	import re, sys
	om = sys.argv[2] == "open"
	text = open(sys.argv[1], encoding="utf-8").read()
	assert text.endswith("# EOF\n" if om else "\n") and (om or "# EOF" not in text)
	family, kinds, seen, order = None, {}, set(), []
	sample = re.compile(r'([a-z_:]+)(\{([a-z_]+="([^"\\\n]|\\["\\n])*"(,|(?=\})))*\})? (\S+)$')
	for line in text.splitlines():
	    if line == "# EOF":
	        continue
	    if line.startswith("# HELP "):
	        assert line.split(" ", 3)[3].strip(), line
	        continue
	    if line.startswith("# TYPE "):
	        family, kind = line[7:].split(" ")
	        assert family not in kinds, "twice: " + family
	        assert kind in ("counter", "gauge")
	        kinds[family] = kind
	        continue
	    m = sample.match(line)
	    assert m, line
	    name = family + ("_total" if om and kinds[family] == "counter" else "")
	    assert m.group(1) == name, (line, name)
	    assert (m.group(1), m.group(2)) not in seen, "twice: " + line
	    seen.add((m.group(1), m.group(2)))
	    assert float(m.group(6)) >= 0
	assert len(kinds) > 60, len(kinds)
	print(len(kinds))
	END
}
families=$(form "$work/metrics" text) || fail "not the text format"
scrape /metrics 'application/openmetrics-text; version=1.0.0'
check "its type" grep -q 'application/openmetrics-text' "$work/metrics.head"
is "families in both" "$families" "$(form "$work/metrics" open)"

# Every count that msg knows of brokers is a family.
scrape
for name in $("$MSG" counters --json | python3 -c 'import json, sys
for line in sys.stdin:
    name = json.loads(line)["name"]
    if "." in name: print(name.replace(".", "_"))'); do
	grep -qE "^# TYPE msg_broker_${name/#broker_/total_}(_total)? " "$work/metrics" ||
		fail "no family for the count $name"
done
if command -v promtool >/dev/null; then
	promtool check metrics <"$work/metrics" >"$work/promtool" 2>&1 ||
		fail "promtool: $(cat "$work/promtool")"
	is "promtool says" "" "$(cat "$work/promtool")"
else
	echo "SKIP promtool: it is not here (prometheus)"
fi

# All else is refused, and nobody is hurt.
is "another path" 404 "$(fetch "$work/none" /etc/passwd)"
is "another method" 405 "$(fetch "$work/none" /metrics '*/*' POST)"
is "the root" 200 "$(fetch "$work/none" /)"
is "HEAD" 200 "$(fetch "$work/none" /metrics '*/*' HEAD)"
is "of no bytes" 0 "$(wc -c <"$work/none")"
python3 - "$url" <<-'END'
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
for junk in (b"\0" * 4096, b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n",
             b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
             b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"):
    s = socket.create_connection((host, int(port)), timeout=10)
    try:
        s.sendall(junk)
        s.settimeout(0.3)
        s.recv(100)
    except OSError:
        pass
    s.close()
# More than may be open at once: those beyond are closed, the others answered.
held = []
for i in range(40):
    held.append(socket.create_connection((host, int(port)), timeout=10))
END
# It may not have seen yet that they are gone.
answers() {
	[ "$(fetch "$work/metrics" 2>/dev/null)" = 200 ] &&
		grep -q '^msg_broker_up' "$work/metrics"
}
await 20 answers

# A broker that is gone is down, one that comes is found; so are announcements.
for name in pub taker stuck; do
	kill "${pids[$name]}"
	finish $name
done
kill "${pids[a]}"
finish a
await 10 down
broker b
found() { scrape; grep -q '^msg_broker_up{broker="b"} 1' "$work/metrics"; }
await 10 found
kill "${pids[exporter]}"
finish exporter
is "exit when asked to end" 0 $code

export MSG_BROKER_POLICY=never
start exporter "$EXPORTER" --listen 127.0.0.1:0 --announced b
await 10 grep -q serving "$work/exporter.err"
url=$(sed -n 's|.*http://\(.*\)/metrics|\1|p' "$work/exporter.err")
start pub "$MSG" pub -q far.topic --size 8 --rate 100
announced() {
	scrape
	grep -q "^msg_announced_messages_total{topic=\"far.topic\",.*pid=\"${pids[pub]}\"" \
		"$work/metrics"
}
await 10 announced

for bad in 'nowhere' '127.0.0.1' '127.0.0.1:70000' '::1:80' '127.0.0.1:x'; do
	"$EXPORTER" --listen "$bad" 2>/dev/null
	is "exit of --listen $bad" 2 $?
done
for bad in '' a/b 'a b' .a; do
	timeout 20 "$EXPORTER" --listen 127.0.0.1:0 "$bad" 2>"$work/bad.err"
	is "exit of the broker '$bad'" 2 $?
	check "says which" grep -q 'NAME 1 of 1' "$work/bad.err"
done
"$EXPORTER" --listen "$url" 2>"$work/taken.err"
is "exit of a port that is taken" 1 $?
check "says so" grep -q 'cannot listen' "$work/taken.err"
