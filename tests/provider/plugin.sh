#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# plugin.sh PLUGIN_DIR [DOMAIN ADDRESS] - the plug-in under libfabric's own
# programs: fi_info finds it and its settings, nothing but its entry is
# exported, and fi_pingpong runs over it.
set -u
export FI_PROVIDER_PATH=$1
domain=${2:-udp-lo} address=${3:-127.0.0.1}

for program in fi_info fi_pingpong nm; do
	command -v $program >/dev/null || {
		echo "SKIP: no $program on this machine"
		exit 77
	}
done

fail() {
	echo "FAIL: $*"
	exit 1
}

exported=$(nm -D --defined-only "$1/libudmc-fi.so" | awk '{print $3}')
[ "$exported" = fi_prov_ini ] || fail "exported: $exported"

fi_info -p udmc -t FI_EP_DGRAM | grep -q "domain: udp-lo" ||
	fail "fi_info does not show udp-lo"
fi_info -p udmc -t FI_EP_DGRAM | grep -q "domain: $domain" ||
	fail "fi_info does not show $domain"
fi_info -p udmc -c FI_MULTICAST -t FI_EP_DGRAM >/dev/null ||
	fail "fi_info shows no FI_MULTICAST"
for name in IFACE TTL LOOPBACK RCVBUF SNDBUF; do
	fi_info -e | grep -q "FI_UDMC_$name" || fail "no FI_UDMC_$name"
done
for iface in lo 127.0.0.1; do
	shown=$(FI_UDMC_IFACE=$iface fi_info -p udmc | awk '/domain:/ {print $2}' |
		sort -u)
	[ "$shown" = udp-lo ] || fail "FI_UDMC_IFACE=$iface shows: $shown"
done

fi_pingpong -p udmc -d "$domain" -e dgram -I 100 -S 1024 >/dev/null &
server=$!
trap 'kill $server 2>/dev/null' EXIT
sleep 2
fi_pingpong -p udmc -d "$domain" -e dgram -I 100 -S 1024 "$address" ||
	fail "fi_pingpong client"
wait $server || fail "fi_pingpong server"
trap - EXIT
echo "plug-in works on $domain"
