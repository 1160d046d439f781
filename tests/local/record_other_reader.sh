#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record_other_reader.sh - recordings as the reader of the format's authors sees
# them (npm's @mcap/core, tests/reader): the same messages, numbers, losses and
# counts, by the index and from front to back; an unfinished file, too.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1
: "${READER:?is not set: the folder of read.mjs}"
: "${READER_BUILD:?is not set: where it is made to run}"
: "${SLOW:?is not set: the path of slow_disk.so}"
node -e '' 2>/dev/null || skip "no node to read recordings with"
npm --version >/dev/null 2>&1 || skip "no npm to fetch the other reader with"

mkdir -p "$READER_BUILD"
if ! cmp -s "$READER/package.json" "$READER_BUILD/package.json" ||
	[ ! -d "$READER_BUILD/node_modules/@mcap/core" ]; then
	cp "$READER/package.json" "$READER_BUILD"
	if ! timeout 30 npm install --prefix "$READER_BUILD" --ignore-scripts \
		--no-audit --no-fund --no-package-lock --omit=dev \
		>"$work/npm.log" 2>&1; then
		rm -f "$READER_BUILD/package.json"
		skip "npm cannot fetch the other reader: $(grep -m 1 -i 'npm err' \
			"$work/npm.log")"
	fi
fi
cp "$READER/read.mjs" "$READER_BUILD"

other() { # other FILE [unfinished]: its view is $work/view.json
	node "$READER_BUILD/read.mjs" "$@" >"$work/view.json" ||
		fail "the other reader refuses ${1##*/}"
}
view() {
	python3 - "$work/view.json" "$1" <<-'PYTHON'
	import json, sys
	v = json.load(open(sys.argv[1], encoding="utf-8"))
	i, s = v.get("indexed"), v["streamed"]
	print(eval("(" + sys.argv[2] + ")"))
	PYTHON
}

# ---- a recording -------------------------------------------------------------

reliable=(--reliability reliable --flow min --history 64Mi)
for packed in none zstd; do
	recording record "$work/$packed.mcap" 'two.>' --sync=group:20ms \
		--compression $packed --chunk-bytes 64Ki
	start a "$MSG" echo two.a --raw
	start b "$MSG" echo two.b --raw
	listening a
	listening b
	for i in 1 2; do
		"$MSG" pub -q two.a --size 700 --count 1000 "${reliable[@]}" \
			"${to_patterns[@]}" || fail "pub: exit $?"
	done
	head -c 300000 /dev/urandom >"$work/payload"
	"$MSG" pub -q two.b -f "$work/payload" --count 5 "${reliable[@]}" \
		"${to_patterns[@]}" || fail "pub: exit $?"
	complete() {
		[ "$(stat -c %s "$work/a.out")" = 1400000 ] &&
			[ "$(stat -c %s "$work/b.out")" = 1500000 ]
	}
	await 30 complete
	kill -INT "${pids[a]}" "${pids[b]}"
	finish a
	finish b
	stop_recording record 2005
	is "exit of record" 0 $code
	other "$work/$packed.mcap"
	is "$packed: both ways of reading" True \
		"$(view 'i["topics"] == s["topics"] and i["events"] == s["events"]
			and s["done"]')"
	is "$packed: messages" "2005, counted 2005" \
		"$(view '"%d, counted %d" % (i["messages"],
			i["counted"] - len(i["events"]))')"
	for topic in a b; do
		is "$packed: payloads of two.$topic" \
			"$(sha256sum <"$work/$topic.out" | cut -d ' ' -f 1)" \
			"$(view "i['topics']['two.$topic']['sha256']")"
	done
	is "$packed: publishers" "[('msg', 0, 1000, 0), ('msg', 0, 1000, 0)]" \
		"$(view '[(p["program"], p["first"], p["next"], p["gaps"])
			for p in i["topics"]["two.a"]["publishers"].values()]')"
	is "$packed: what is recorded" "two.>" \
		"$(view 'i["metadata"]["msg.recording"]["patterns"]')"
	is "$packed: totals" "2005, 0 lost, 0 dropped" \
		"$(view '"{messages}, {lost} lost, {dropped} dropped".format(
			**i["metadata"]["msg.totals"])')"
done

# ---- losses ------------------------------------------------------------------

slow_recording record 200 "$work/slow.mcap" 'lossy' --sync=group:5ms \
	--queue-bytes 256Ki --max-bytes 64Ki --compression none
"$MSG" pub -q lossy --size 2000 --rate 4000 --count 4000 || fail "pub: exit $?"
stop_recording record 4000
other "$work/slow.mcap"
is "messages, and what events tell of" 4000 \
	"$(view 'i["messages"] + sum(e.get("lost", 0) for e in i["events"])')"
check "something is told" [ "$(view 'sum(e["event"] == "lost" and
	e["reason"] == "disk" and e["topic"] == "lossy"
	for e in i["events"])')" -gt 0 ]

# ---- an unfinished file, a recovered one, and a part of several ---------------

messages=$(info "$work/zstd.mcap" 'f["messages"]')
size=$(stat -c %s "$work/zstd.mcap")
head -c $((size / 2)) "$work/zstd.mcap" >"$work/cut.mcap"
other "$work/cut.mcap" unfinished
cut=$(info "$work/cut.mcap" 'f["messages"]')
is "messages of half a file" "$cut" "$(view 's["messages"]')"
check "these are some of $messages" [ "$cut" -gt 0 -a "$cut" -lt "$messages" ]
"$MSG" file recover -q "$work/cut.mcap" -o "$work/saved.mcap" ||
	fail "recover: exit $?"
other "$work/saved.mcap"
is "messages of a recovered file" "$cut" "$(view 'i["messages"]')"
