#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# libfabric2.sh PLUGIN_DIR - the plug-in as it was built on libfabric 1.17, in
# the libfabric 2.x of a newer Debian: it loads, shows its domains, and
# fi_pingpong runs over it.
#
# The newer programs are unpacked, with the C library they need, into a
# temporary folder; nothing is installed.  They come from the mirror this
# machine uses anyway; without one, or on another distribution, it skips.
set -euo pipefail
plugin=$1
suite=trixie

skip() { echo "SKIP: $1"; exit 77; }
command -v apt-get >/dev/null || skip "no apt-get to fetch libfabric 2.x with"
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r $key ] || skip "no Debian archive key"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' |
	awk '$2 == "bookworm" { print $1; exit }')
[ -n "$mirror" ] || skip "this machine has no Debian 12 mirror"

work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/debs/partial" "$work/root"
echo "deb [signed-by=$key] $mirror $suite main" >"$work/sources.list"
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list"
	-o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists"
	-o Dir::State::status=/dev/null -o "Dir::Cache::archives=$work/debs"
	-o APT::Sandbox::User=root)
"${apt[@]}" update >"$work/log" 2>&1 &&
	"${apt[@]}" install -y --no-install-recommends --download-only \
		libfabric-bin ibverbs-providers >>"$work/log" 2>&1 ||
	skip "cannot fetch $suite's libfabric: $(tail -n 1 "$work/log")"
for deb in "$work"/debs/*.deb; do
	dpkg -x "$deb" "$work/root"
done

lib=$work/root/usr/lib/x86_64-linux-gnu
newer() {
	local program=$1
	shift
	"$lib/ld-linux-x86-64.so.2" --library-path "$lib" \
		"$work/root/usr/bin/$program" "$@"
}
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
