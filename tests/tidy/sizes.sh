#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# sizes.sh - what is long, as a list to look at; it fails nothing.  A table or
# a switch may be long where splitting would hide it.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t sources < <(files '\.(c|h|cpp|hpp)$')
awk -v lines_max=70 -v file_max=600 '
	FNR == 1 && NR > 1 { whole() }
	{ last = FNR; file = FILENAME }
	/^[a-z].*\(/ && !/;$/ { head = $0 }
	/^\{/ { start = FNR }
	/^\}/ && start {
		if (FNR - start - 1 > lines_max) {
			sub(/\(.*/, "", head)
			sub(/.*[ *]/, "", head)
			print file ":" start ": " head ": " FNR - start - 1 " lines"
			functions++
		}
		start = 0
	}
	function whole() {
		if (last > file_max) {
			print file ":1: " last " lines"
			files++
		}
	}
	END {
		whole()
		printf "%d functions above %d lines, %d files above %d, to look at\n",
			functions, lines_max, files, file_max
	}' "${sources[@]}"
