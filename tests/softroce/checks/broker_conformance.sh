#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_conformance.sh [--reliable | --rc] - the promises of msg.h, through a
# broker whose lane is slow: a relay that has not sent yet is what loopback never
# shows.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
suite=$BUILD/tests/conformance/test_conformance
need_built "$suite"
start_broker
result=0
"$suite" --broker "$work/b.sock" --device rxe0 --quick "$@" || result=1
CK_RUN_CASE=views "$suite" --broker "$work/b.sock" --quick "$@" || result=1
kill -0 "$broker" || fail "the broker ended"
[ "$result" = 0 ] || { tail -n 40 "$work/broker.err"; exit 1; }
