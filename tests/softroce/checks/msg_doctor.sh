#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# msg_doctor.sh - the doctor finds the device, joins on it, and hears itself;
# and it finds what is wrong: a limit on locked memory, a device that is not
# there.
. "$(dirname "$0")/common.sh"
msg=$BUILD/libmsg/tool/msg
[ -x "$msg" ] || { echo "the program msg is not built"; exit 77; }

code=0
"$msg" doctor >/tmp/doctor || code=$?
cat /tmp/doctor
[ $code -le 1 ] || fail "doctor: exit $code on a sound machine"
grep -q '^ok   lane .*rxe0' /tmp/doctor || fail "not on rxe0"
grep -q '^ok   multicast .*came back' /tmp/doctor || fail "no loopback"

code=0
"$msg" doctor --device rxe7 >/tmp/doctor 2>&1 || code=$?
[ $code -ge 2 ] || fail "doctor: exit $code for a device that is not there"
grep -q rxe7 /tmp/doctor || fail "the device is not named"

code=0
(ulimit -l 64; setpriv --reuid 65534 --clear-groups "$msg" doctor) \
	>/tmp/doctor 2>&1 || code=$?
grep -Eq '^(fail|warn) memlock' /tmp/doctor || {
	cat /tmp/doctor
	fail "64 KiB of lockable memory is no finding"
}
[ $code -ge 1 ] || fail "exit $code with a finding"
