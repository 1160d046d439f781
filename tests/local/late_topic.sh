#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# late_topic.sh - a wildcard follows topics that start later, and only those
# that match.
. "${BASH_SOURCE%/*}/lib.sh"

start tail "$MSG" echo 'late.>' --count 3 --timeout 50
start star "$MSG" echo 'late.*.bid' --count 1 --timeout 50
listening tail
listening star
# The topics are announced when nobody knows of them.
publish() { # publish TOPIC MESSAGE
	"$MSG" pub -q "$1" --message "$2" "${to_patterns[@]}" || fail "pub: $?"
}
publish late.acme.bid one
publish later.not none
publish late.acme two
publish late.a.b.c three
finish tail 55
is "exit of late.>" 0 $code
finish star 55
is "exit of late.*.bid" 0 $code
is "late.>" "late.acme.bid one|late.acme two|late.a.b.c three|" \
	"$(cut -d' ' -f1,4 "$work/tail.out" | tr '\n' '|')"
is "late.*.bid" "late.acme.bid one" "$(cut -d' ' -f1,4 "$work/star.out")"
