#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# dissector.sh - Wireshark reads our frames as proto/README.md says: each golden
# frame, and captures that were taken once, of UDP and of RoCEv2.
#
#   dissector.sh            compares what tshark says with what is stored
#   dissector.sh --update   stores it
#
# It wants tshark with Lua, and no program of ours.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
export LC_ALL=C.UTF-8 TZ=UTC
for program in tshark text2pcap python3; do
	command -v $program >/dev/null || {
		echo "SKIP dissector: no $program"
		exit 77
	}
done
tshark --version 2>/dev/null | grep -q 'with Lua' || {
	echo "SKIP dissector: this tshark has no Lua"
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work # Nobody's own settings.

read_frames() { # read_frames FILE OPTION...
	local file=$1
	shift
	tshark -n -X "lua_script:$source/libmsg/tool/msg.lua" -r "$file" "$@" \
		2>"$work/tshark.err" || { cat "$work/tshark.err"; exit 1; }
	if grep -i 'lua\|error' "$work/tshark.err"; then
		echo "FAIL: the dissector complains"
		exit 1
	fi
}

# ---- golden frames ----------------------------------------------------------------

for file in "$source"/proto/golden/*.hex; do
	echo "000000 $(sed '/^#/d' "$file" | tr -s ' \n' ' ')"
done >"$work/golden.txt"
text2pcap -q -u 7400,7400 "$work/golden.txt" "$work/golden.pcap" 2>/dev/null
read_frames "$work/golden.pcap" -T json --no-duplicate-keys >"$work/golden.json"
python3 - "$work/golden.json" "$source"/proto/golden/*.hex <<'END'
import ast, json, re, sys
packets = json.load(open(sys.argv[1]))
files = sys.argv[2:]
assert len(packets) == len(files), (len(packets), len(files))
# What a golden file calls it, and we do; in what base it is shown.
names = {"bytes": "msg.length", "tag": "msg.tag", "publisher": "msg.publisher",
    "transmission": "msg.transmission", "sequence": "msg.sequence",
    "total": "msg.fragment.total", "offset": "msg.fragment.offset",
    "topic": "msg.announce.topic", "incarnation": "msg.incarnation",
    "next_sequence": "msg.announce.next_sequence",
    "message_bytes_max": "msg.announce.message_bytes_max",
    "frame_bytes": "msg.announce.frame_bytes", "period_ms": "msg.period_ms",
    "host": "msg.announce.host", "program": "msg.announce.program",
    "pid": "msg.announce.pid", "uid": "msg.announce.uid",
    "closing": "msg.announce.closing", "stamp": "msg.stamp",
    "first_sequence": "msg.probe.first_sequence", "first": "msg.probe.first",
    "receiver": "msg.report.receiver", "position": "msg.report.position",
    "window": "msg.report.window", "base": "msg.report.base",
    "count": "msg.report.bits", "history": "msg.report.history",
    "rtt_ns": "msg.report.rtt_ns", "heard": "msg.transmission",
    "token": "msg.token", "address": "msg.large.address", "key": "msg.large.key"}
kinds = {"1": "single", "2": "packed", "3": "fragment", "4": "announce",
    "6": "probe", "7": "report", "8": "large", "9": "shelf",
    "12": "question", "13": "answer"}
checked = 0
for packet, file in zip(packets, files):
    layers = packet["_source"]["layers"]
    ours = layers.get("msg")
    facts = [l[3:].strip().partition(" ")[::2]
             for l in open(file, encoding="utf-8") if l.startswith("#= ")]
    said = dict(facts)
    text = json.dumps(ours) if ours else ""
    where = file.rsplit("/", 1)[-1]
    if said["fault"] != "ok":
        assert ours is None, where + " is taken for a frame"
        checked += 1
        continue
    assert ours is not None, where + " is not seen"
    assert kinds[ours["msg.type"]] == said["type"], where
    wrong = "msg.malformed" in text
    assert wrong == ("body" in said), (where, "malformed" if wrong else "well formed")
    for name, value in facts:
        if name not in names or (said["type"] == "report" and name == "sequence"):
            continue
        field = names[name]
        if said["type"] == "large" and name == "total":
            field = "msg.large.total"
        if said["type"] == "answer" and name == "total":
            field = "msg.answer.total"
        if name == "sequence" and "msg.sequence_low" in ours:
            field = "msg.sequence_low"
        got = ours[field]
        number = value if not value.startswith('"') else ast.literal_eval(value)
        same = got == number
        if re.fullmatch(r"(0x)?[0-9a-f]+", number) and not value.startswith('"'):
            same = int(got, 0) == int(number, 0)
        assert same, (where, name, value, got)
        checked += 1
    for i, message in enumerate(v for n, v in facts if n == "message"):
        message = re.sub(r"^[0-9]+ ", "", message)
        wanted = ast.literal_eval("b" + message).hex() if message.startswith('"') else None
        if wanted:
            assert wanted in text.replace(":", ""), (where, message)
            checked += 1
    if "missing" in said:
        got = ours.get("msg.report.missing", [])
        got = got if isinstance(got, list) else [got]
        assert got == said["missing"].split(), (where, got)
assert checked > 90, checked
print("ok: %d golden frames, %d facts" % (len(files), checked))
END

# ---- captures -----------------------------------------------------------------------

for capture in "$here"/captures/*.pcap; do
	name=$(basename "$capture" .pcap)
	read_frames "$capture" -t r -T fields -E separator=' ' -e frame.number \
		-e _ws.col.Protocol -e _ws.col.Info >"$work/$name.text"
	if [ "${1:-}" = --update ]; then
		cp "$work/$name.text" "$here/captures/$name.golden"
		continue
	fi
	diff "$here/captures/$name.golden" "$work/$name.text" || {
		echo "FAIL: $name.pcap is read in another way"
		exit 1
	}
	read_frames "$capture" -Y msg.malformed >"$work/malformed"
	[ ! -s "$work/malformed" ] || { cat "$work/malformed"; exit 1; }
	echo "ok: $(wc -l <"$work/$name.text") packets of $name.pcap"
done

# Nothing but noise, and each golden frame with a byte changed at each place: it
# may say what it likes, but must not fail.
python3 - "$source"/proto/golden/*.hex >"$work/noise.txt" <<'END'
import random, sys
random.seed(7)
def out(data):
    if data:
        print("000000 " + data.hex(" "))
for file in sys.argv[1:]:
    data = bytes.fromhex("".join(l for l in open(file, encoding="utf-8")
                                 if not l.startswith("#")))
    for at in range(len(data)):
        out(data[:at] + bytes([random.randrange(256)]) + data[at + 1:])
        out(data[:at])
for _ in range(300):
    out(bytes([random.choice((0x11, 0x21, 0x31, 0x41, 0x61, 0x71)), 0]) +
        random.randbytes(random.randrange(100)))
END
text2pcap -q -u 7400,7400 "$work/noise.txt" "$work/noise.pcap" 2>/dev/null
read_frames "$work/noise.pcap" -V >"$work/noise.text"
packets=$(grep -c '^Frame [0-9]' "$work/noise.text")
[ "$packets" -gt 3000 ] || { echo "FAIL: only $packets packets"; exit 1; }
grep -q 'Expert Info (Error/Malformed)' "$work/noise.text" ||
	{ echo "FAIL: nothing of it is malformed"; exit 1; }
echo "ok: $packets packets of noise"
