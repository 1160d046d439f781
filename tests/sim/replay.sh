#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# replay.sh MSG_SIM - a seed that fails is played again by the line that it
# prints, and fails in the same way; exit statuses are what the help says.
set -euo pipefail
export LC_ALL=C

sim=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAIL: $*"
	exit 1
}

# The fourth way to be wrong tells of no losses; some seed of these has one.
status=0
"$sim" --seeds 200 --messages 500 --mutant 4 >"$work/first" || status=$?
[ $status = 1 ] || fail "a seed that fails exits $status"
cat "$work/first"
again=$(sed -n 's/.*play it again: msg_sim //p' "$work/first")
[ -n "$again" ] || fail "it does not say how to play it again"
status=0
# shellcheck disable=SC2086 # these are words
"$sim" $again >"$work/again" || status=$?
[ $status = 1 ] || fail "played again it exits $status"
grep '^FAILED' "$work/first" >"$work/1"
grep '^FAILED' "$work/again" >"$work/2"
cmp "$work/1" "$work/2" || fail "played again it fails in another way"
[ "$(grep -c ' node ' "$work/again")" -gt 100 ] || fail "there is no trace"

status=0
"$sim" --no-such-thing >"$work/usage" 2>&1 || status=$?
[ $status = 2 ] || fail "a wrong option exits $status"
status=0
"$sim" --scenario no-such-kind >"$work/usage" 2>&1 || status=$?
[ $status = 2 ] || fail "a wrong scenario exits $status"
