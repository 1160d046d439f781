#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# multicast_talk.sh PLUGIN_DIR PROGRAM DOMAIN [COUNT] - one sender and two
# receivers of a group, three processes that know libfabric only.
set -u
export FI_PROVIDER_PATH=$1
program=$2 domain=$3 count=${4:-1000}
group=239.77.$((RANDOM % 256)).$((RANDOM % 256)) port=$((10000 + RANDOM % 20000))
dir=$(mktemp -d) || exit 1
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
echo "group $group port $port domain $domain"

for i in 1 2; do
	"$program" -d "$domain" -n "$count" -r "$group" "$port" \
		>"$dir/out$i" 2>&1 &
	pids[i]=$!
done
for _ in $(seq 200); do
	[ "$(cat "$dir"/out* | grep -c '^joined$')" = 2 ] && break
	sleep 0.1
done
"$program" -d "$domain" -n "$count" "$group" "$port" || exit 1
status=0
for i in 1 2; do
	wait "${pids[i]}" || status=1
	sed "s/^/receiver $i: /" "$dir/out$i"
done
exit $status
