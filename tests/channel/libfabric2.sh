#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# libfabric2.sh TEST_CHANNEL - the list of test_channel as it was built on
# libfabric 1.17, over TCP, with the libfabric 2.x of a newer Debian.
set -euo pipefail
test=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/support/newer_libfabric.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/newer_libfabric.sh"
fetch_newer libfabric-bin ibverbs-providers librdmacm1
version=$(newer fi_info --version | awk '$1 == "libfabric:" { print $2 }')
[[ $version == 2.* ]] || { echo "FAIL: this is libfabric $version"; exit 1; }
echo "libfabric $version"
newer "$test"
