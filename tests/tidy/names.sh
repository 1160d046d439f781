#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# names.sh - the top folder holds the names agreed on, and no others.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

agreed='CMakeLists.txt LICENSE README.md bindings broker examples libmsg proto tests'
for name in $(files . | cut -d / -f 1 | sort -u); do
	case $name in
	.ci | .clang-format | .gitignore | .gitattributes) ;;
	*) [[ " $agreed " == *" $name "* ]] ||
		complain "$name:1: not one of the names at the top: $agreed" ;;
	esac
done
for name in $agreed; do
	[ -e "$name" ] || complain "$name:1: is missing"
done

verdict "names at the top"
