#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# manuals.sh - manual pages are in order: mandoc warns of nothing.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t pages < <(files '^(libmsg|broker)/.*\.[1-8]$')
command -v mandoc >/dev/null || {
	echo "SKIP manuals: no mandoc"
	exit 77
}
[ ${#pages[@]} = 0 ] ||
	complain_all < <(mandoc -Tlint -W warning "${pages[@]}" 2>&1 |
		sed 's/^mandoc: //')

verdict "${#pages[@]} manual pages"
