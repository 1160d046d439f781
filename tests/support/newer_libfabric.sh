#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# newer_libfabric.sh - to source: the libfabric 2.x of a newer Debian, unpacked
# with the C library it needs into $work; nothing is installed.  It comes from
# the mirror this machine uses anyway; without one, or on another distribution,
# the test is skipped.
#
#     fetch_newer PACKAGE...      then `newer PROGRAM ARGUMENT...` runs one of
#                                 its programs, or with a / in it one of ours
suite=trixie

skip() { echo "SKIP: $1"; exit 77; }
fetch_newer() {
	local key=/usr/share/keyrings/debian-archive-keyring.gpg mirror apt deb
	command -v apt-get >/dev/null ||
		skip "no apt-get to fetch libfabric 2.x with"
	[ -r $key ] || skip "no Debian archive key"
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' |
		awk '$2 == "bookworm" { print $1; exit }')
	[ -n "$mirror" ] || skip "this machine has no Debian 12 mirror"

	mkdir -p "$work/lists/partial" "$work/debs/partial" "$work/root"
	echo "deb [signed-by=$key] $mirror $suite main" >"$work/sources.list"
	apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list"
		-o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::lists=$work/lists"
		-o Dir::State::status=/dev/null
		-o "Dir::Cache::archives=$work/debs"
		-o APT::Sandbox::User=root)
	"${apt[@]}" update >"$work/log" 2>&1 &&
		"${apt[@]}" install -y --no-install-recommends --download-only \
			"$@" >>"$work/log" 2>&1 ||
		skip "cannot fetch $suite's libfabric: $(tail -n 1 "$work/log")"
	for deb in "$work"/debs/*.deb; do
		dpkg -x "$deb" "$work/root"
	done
}

newer() {
	local lib=$work/root/usr/lib/x86_64-linux-gnu program=$1
	[[ $program == */* ]] || program=$work/root/usr/bin/$program
	shift
	"$lib/ld-linux-x86-64.so.2" \
		--library-path "$lib:/usr/lib/x86_64-linux-gnu" "$program" "$@"
}
