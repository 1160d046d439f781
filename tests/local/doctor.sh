#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# doctor.sh - exit codes, JSON, and what is missing as a finding.
. "${BASH_SOURCE%/*}/lib.sh"

"$MSG" doctor >"$work/text"
code=$?
[ $code -le 1 ] || fail "doctor on the test lane: exit $code
$(cat "$work/text")"
check "a real message came back" \
	grep -Eq '^ok +multicast .*came back' "$work/text"
check "the lane" grep -Eq '^ok +lane ' "$work/text"
for name in memlock clock cpu files shm sockets ipv6 hugepages; do
	check "check $name" grep -Eq "^(ok|note|warn|fail) +$name " "$work/text"
done
warnings=$(grep -c '^warn' "$work/text")
is "exit and warnings agree" $((warnings > 0)) $code
is "each warning has its fix" "$warnings" \
	"$(grep -A1 '^warn' "$work/text" | grep -c '^ *fix: ')"

"$MSG" doctor --json >"$work/doctor.json"
is "exit with --json" $code $?
check "JSON" json_valid "$work/doctor.json"
is "as many findings" "$(grep -Ec '^(ok|note|warn|fail) ' "$work/text")" \
	"$(grep -o '"check":' "$work/doctor.json" | wc -l)"

# What is missing is a finding and exit 2, never a crash.
"$MSG" doctor --interface nosuch0 >"$work/text"
is "exit with an unknown interface" 2 $?
check "finding" grep -Eq '^fail +lane .*nosuch0' "$work/text"
env -u MSG_INTERFACE -u MSG_LANE "$MSG" doctor --device nosuch_rxe --json >"$work/doctor.json"
is "exit with an unknown device" 2 $?
check "JSON" json_valid "$work/doctor.json"
check "finding" grep -q '"check":"lane","status":"fail"' "$work/doctor.json"

(ulimit -n 100 && "$MSG" doctor >"$work/few")
is "exit with few files" 1 $?
check "says so" grep -Eq '^warn files .*only 100' "$work/few"

if [ ! -e /sys/class/infiniband ]; then
	env -u MSG_INTERFACE -u MSG_LANE "$MSG" doctor >"$work/text"
	check "no device is in order" \
		grep -q '^note rdma .*no RDMA device: using kernel UDP' \
		"$work/text"
	check "loopback by default" grep -Eq '^ok +lane .* on lo ' "$work/text"
fi
