#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker.sh - the conformance suite through a broker of its own, on loopback.
#
#   broker.sh MSGBROKERD TEST_CONFORMANCE [ARGUMENT...]
#
# Each test is a process that opens and closes much within a second, and what
# it had is the broker's to give back a little later: hence the quotas.  FRAME_BYTES
# in the environment is the lane's, which on a device are few; and LANE=none that
# there is no network.
set -euo pipefail

program=$1 suite=$2
shift 2
keep=MSG_TEST_SEED
# shellcheck source=tests/support/own_broker.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/own_broker.sh"
cat >"$work/msg.conf" <<'CONF'
[quota]
connections = 1000
subscriptions = 1000
publishers = 1000
held_slots = 4Mi
bytes = 8Gi
CONF
cat >>"$work/msg.conf" <<CONF
[broker]
${FRAME_BYTES:+frame_bytes = $FRAME_BYTES}
${LANE:+lane = $LANE}
CONF
chmod 600 "$work/msg.conf"
own_broker "$program" "$work/msg.conf"

result=0
"$suite" --broker "$work/broker.sock" "$@" || result=$?
own_broker_lives || result=1
[ "$result" = 0 ] || { echo "the broker's log ends:"; tail -n 20 "$work/log"; }
exit "$result"
