#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# graph.sh - msg graph draws who is connected to whom, and Graphviz reads it.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${TALK:?is not set: the path of the program broker_talk}"
export XDG_RUNTIME_DIR=$work/run
place=$XDG_RUNTIME_DIR/msg
mkdir -p "$place"

# Names instead of numbers that differ from run to run.
settled() {
	local name text
	text=$(sed -E 's/[0-9.]+ ?[kMG]?\/s/RATE/; s/lost [0-9]+/lost N/' "$1")
	for name in "${!pids[@]}"; do
		text=${text//${pids[$name]}/<$name>}
	done
	sed "s/$(hostname)/HOST/g" <<<"$text"
}

broker a
talk pub publish 'md.a"b' 1000
talk taker subscribe 'md.>' take lap
talk stuck subscribe 'md.a"b' stuck lap
slow() {
	"$MSG" graph --here --wait 0.5 a >"$work/a.dot" 2>"$work/a.err" &&
		grep -q 'stuck' "$work/a.dot"
}
await 20 slow
cat >"$work/wanted" <<'END'
digraph msg {
	rankdir=LR;
	node [fontname="sans-serif"];
	edge [fontname="sans-serif", fontsize=10];
	subgraph "cluster:here" {
		label="HOST";
		subgraph "cluster:here:0" {
			label="broker a (pid <a>, no network, running)";
			style=rounded;
			"b:0" [shape=point, style=invis];
			"p:HOST:<pub>" [shape=box, label="broker_talk\n<pub>"];
			"p:HOST:<taker>" [shape=box, label="broker_talk\n<taker>"];
			"p:HOST:<stuck>" [shape=box, label="broker_talk\n<stuck>", color=red, fontcolor=red];
		}
	}
	"t:md.a\"b" [shape=ellipse, label="md.a\"b"];
	"p:HOST:<pub>" -> "t:md.a\"b" [label="RATE"];
	"t:md.a\"b" -> "p:HOST:<taker>" [label="RATE"];
	"t:md.a\"b" -> "p:HOST:<stuck>" [label="RATE\nstuck", color=red, fontcolor=red];
}
END
# Lines of one topic are in the order of pids, which may wrap.
settled "$work/a.dot" | sort >"$work/got.sorted"
sort "$work/wanted" >"$work/wanted.sorted"
sed -i 's/lost N\\n//' "$work/got.sorted"
diff "$work/wanted.sorted" "$work/got.sorted" || fail "another picture"

# Of all brokers, and with who announces straight from the lane.
export MSG_BROKER_POLICY=never
start far "$MSG" pub -q far.topic --size 8 --rate 100
announced() {
	"$MSG" graph -q --wait 1.5 >"$work/all.dot" &&
		grep -q "p:.*:${pids[far]}\" -> \"t:far.topic\"" "$work/all.dot"
}
await 20 announced
check "the broker" grep -q 'broker a (pid' "$work/all.dot"
is "nodes of each topic" 1 "$(grep -c '^	"t:far.topic" \[' "$work/all.dot")"

kill -STOP "${pids[a]}"
stopped() {
	"$MSG" graph --here --wait 0.1 a >"$work/stopped.dot" 2>/dev/null &&
		grep -q 'stopped)' "$work/stopped.dot"
}
await 10 stopped
kill -CONT "${pids[a]}"
"$MSG" graph --here none >"$work/none.dot" 2>/dev/null
is "exit without that broker" 3 $?
is "and no picture" "" "$(cat "$work/none.dot")"

if command -v dot >/dev/null; then
	for file in a all stopped; do
		dot -Tsvg "$work/$file.dot" >"$work/$file.svg" ||
			fail "Graphviz cannot read $file.dot"
	done
	check "processes are drawn" grep -q "broker_talk" "$work/a.svg"
	check "a slow one is red" grep -q 'stroke="red"' "$work/a.svg"
	# Three processes and a topic; a broker's point is not seen.
	is "nodes drawn" 4 "$(grep -c 'class="node"' "$work/a.svg")"
else
	echo "SKIP dot: there is no Graphviz here"
fi
