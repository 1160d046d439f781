#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# fabric_lists_dgram.sh - libfabric's verbs provider offers rxe0 for datagrams.
. "$(dirname "$0")/common.sh"
need fi_info libfabric-bin

info=$(fi_info -p verbs -t FI_EP_DGRAM)
echo "$info"
[[ $info == *"domain: rxe0"* && $info == *FI_EP_DGRAM* ]] ||
	fail "no datagram endpoint on rxe0"
