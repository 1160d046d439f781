#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# forged.sh - tests/local/forged.sh on rxe0: the stranger has a queue pair of his
# own, in the group, and writes to that of the publisher.
# shellcheck source=tests/softroce/checks/common.sh
. "$(dirname "$0")/common.sh"

need_built "$BUILD/tests/local/forger"
export MSG=$BUILD/libmsg/tool/msg SIDES=$BUILD/tests/local/reliable_sides
export FORGER=$BUILD/tests/local/forger MSG_LANE=verbs MSG_DEVICE=rxe0
export COUNT=2000 FORGED=2000
exec bash "$SOURCE/tests/local/forged.sh"
