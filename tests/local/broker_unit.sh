#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_unit.sh - the service may do little: systemd's own judgement.
set -u
command -v systemd-analyze >/dev/null || {
	echo "SKIP: no systemd-analyze"
	exit 77
}
: "${UNIT:?is not set: the path of msgbrokerd.service}"
# Older ones cannot judge a file.
if ! text=$(systemd-analyze security --offline=true --no-pager "$UNIT" 2>&1); then
	echo "SKIP: systemd-analyze cannot judge: ${text%%$'\n'*}"
	exit 77
fi
exposure=$(sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p' <<<"$text")
echo "exposure $exposure"
[ -n "$exposure" ] && awk -v got="$exposure" 'BEGIN { exit got > 3.0 }' || {
	echo "FAIL: exposure '$exposure' is above 3.0"
	grep -v '✓' <<<"$text"
	exit 1
}
