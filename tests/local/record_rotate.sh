#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record_rotate.sh - a recording in several files: each is whole by itself, all
# together are the recording; by size and by time.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1

reliable=(--reliability reliable --flow min)
recording record "$work/size.mcap" 'turn.>' --rotate-bytes 100k \
	--compression none --chunk-bytes 16Ki
"$MSG" pub -q turn.a --size 500 --rate 4000 --count 2000 "${reliable[@]}" \
	"${to_patterns[@]}" || fail "pub: exit $?"
stop_recording record 2000
is "exit" 0 $code
parts=("$work"/size.*.mcap)
check "${#parts[@]} files of 1 MB" [ ${#parts[@]} -ge 8 -a ${#parts[@]} -le 12 ]
is "the first" "$work/size.0001.mcap" "${parts[0]}"
whole "${parts[@]}"
told "${parts[@]}"
is "messages of all" 2000 "$(infos 'sum(f["messages"] for f in fs)' "${parts[@]}")"
# They follow each other to the message.
is "where they begin, and where the ones before end" \
	"$(infos '[0] + [f["channels"][0]["next_sequence"] for f in fs]' \
		"${parts[@]}")" \
	"$(infos '[f["channels"][0]["first_sequence"] for f in fs] + [2000]' \
		"${parts[@]}")"

start all "$MSG" echo 'copy.turn.a' --bare --text --count 2000
listening all
"$MSG" play -q "${parts[@]}" --prefix copy --speed 0 "${reliable[@]}" \
	"${to_patterns[@]}" || fail "play: exit $?"
finish all
is "exit of echo" 0 $code
is "messages in order" "$(seq 0 1999 | sha256sum)" \
	"$(sed -E 's/^message ([0-9]+) .*/\1/' "$work/all.out" | sha256sum)"

recording record "$work/time.mcap" 'turn.>' --rotate-seconds 0.3
begin=$SECONDS
"$MSG" pub -q turn.b --size 50 --rate 500 --count 800 "${reliable[@]}" \
	"${to_patterns[@]}" || fail "pub: exit $?"
stop_recording record 800
is "exit" 0 $code
parts=("$work"/time.*.mcap)
# 1.6 s at least, and as long as the machine took at most.
most=$(((SECONDS - begin + 1) * 10 / 3 + 1))
check "${#parts[@]} files, $most at most" \
	[ ${#parts[@]} -ge 3 -a ${#parts[@]} -le $most ]
whole "${parts[@]}"
is "messages of all" 800 "$(infos 'sum(f["messages"] for f in fs)' "${parts[@]}")"

# One that is in the way of a later part is passed over; of the first, refused.
touch "$work/way.0001.mcap"
"$MSG" record -q -o "$work/way.mcap" x --rotate-bytes 1M 2>"$work/way.err"
is "exit with the first part in the way" 1 $?
check "its name" grep -q 'way.0001.mcap is there already' "$work/way.err"
