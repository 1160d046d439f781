#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_conformance.sh - the promises of msg.h, through a broker whose lane is
# slow: a relay that has not sent yet is what loopback never shows.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
suite=$BUILD/tests/conformance/test_conformance
need_built "$suite"
start_broker
"$suite" --broker "$work/b.sock" --device rxe0 --quick
CK_RUN_CASE=views "$suite" --broker "$work/b.sock" --quick
kill -0 "$broker" || fail "the broker ended"
