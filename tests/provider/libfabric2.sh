#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# libfabric2.sh PLUGIN_DIR - the plug-in as it was built on libfabric 1.17, in
# the libfabric 2.x of a newer Debian: it loads, shows its domains, and
# fi_pingpong runs over it.
set -euo pipefail
plugin=$1

work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
# shellcheck source=tests/support/newer_libfabric.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/newer_libfabric.sh"
fetch_newer libfabric-bin ibverbs-providers
fail() { echo "FAIL: $*"; exit 1; }

export FI_PROVIDER_PATH=$plugin
version=$(newer fi_info --version | awk '$1 == "libfabric:" { print $2 }')
[[ $version == 2.* ]] || fail "this is libfabric $version"
newer fi_info -p udmc -t FI_EP_DGRAM -c FI_MULTICAST | grep -q 'domain: udp-lo' ||
	fail "libfabric $version does not show udp-lo"
newer fi_pingpong -p udmc -d udp-lo -e dgram -I 100 -S 1024 >"$work/server" 2>&1 &
server=$!
sleep 1
newer fi_pingpong -p udmc -d udp-lo -e dgram -I 100 -S 1024 127.0.0.1 ||
	fail "fi_pingpong client"
wait $server || fail "fi_pingpong server"
server=
echo "the plug-in built on 1.17 works in libfabric $version"
