#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# rxe_is_active.sh MTU - rxe0 is up, with that many bytes a message.
. "$(dirname "$0")/common.sh"
need ibv_devinfo ibverbs-utils

info=$(ibv_devinfo -d rxe0)
echo "$info"
[[ $info == *PORT_ACTIVE* ]] || fail "rxe0 is not active"
[[ $info =~ active_mtu:[[:space:]]+$1[[:space:]] ]] ||
	fail "rxe0 has not $1 bytes a message"
