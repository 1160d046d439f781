#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# licence.sh - each source, script and rule file names its licence on top.
# Pages, golden frames, fuzz inputs and pictures are covered by LICENSE.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -f LICENSE ] || complain "LICENSE:1: is missing"
mapfile -t sources < <(files . | grep -vE \
	'^(LICENSE|\.gitignore|tests/fuzz/corpus/.*)$|\.(md|hex|golden|abi|pcap|png|svg)$')
complain_all < <(awk '
	FNR == 1 { if (NR > 1) check(); file = FILENAME; found = 0 }
	FNR <= 4 && /SPDX-License-Identifier: BSD-2-Clause/ { found = 1 }
	function check() {
		if (!found)
			print file ":1: no line SPDX-License-Identifier: BSD-2-Clause"
	}
	END { check() }' "${sources[@]}")

verdict "licence of ${#sources[@]} files"
