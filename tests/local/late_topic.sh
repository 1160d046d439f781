#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# late_topic.sh - a wildcard follows topics that start later, and only those
# that match.
. "${BASH_SOURCE%/*}/lib.sh"

start tail "$MSG" echo 'late.>' --count 3 --timeout 30
start star "$MSG" echo 'late.*.bid' --count 1 --timeout 30
listening tail
listening star
# The topics are announced when nobody knows of them; --wait-ms is what a
# pattern needs to join.
"$MSG" pub -q late.acme.bid --message one --wait-ms 500 || fail "pub: $?"
"$MSG" pub -q later.not --message none --wait-ms 500 || fail "pub: $?"
"$MSG" pub -q late.acme --message two --wait-ms 500 || fail "pub: $?"
"$MSG" pub -q late.a.b.c --message three --wait-ms 500 || fail "pub: $?"
finish tail
is "exit of late.>" 0 $code
finish star
is "exit of late.*.bid" 0 $code
is "late.>" "late.acme.bid one|late.acme two|late.a.b.c three|" \
	"$(cut -d' ' -f1,4 "$work/tail.out" | tr '\n' '|')"
is "late.*.bid" "late.acme.bid one" "$(cut -d' ' -f1,4 "$work/star.out")"
