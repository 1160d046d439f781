#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_large.sh - large messages between a broker that has the device and who has
# it for himself, both ways: the device reads and writes sealed memory.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"
program=$BUILD/tests/survive/test_survive_large
need_built "$program"
export MSG_MODULE_DIR=$BUILD/libmsg/msg
# Those that die are loopback's: here a broker may take longer to start than is
# waited for.
CK_RUN_CASE=large "$program" --device rxe0
