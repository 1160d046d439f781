#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# guest.sh - what the guest does once it stands on the host's root.
#
# Sets up the file systems, the card and rxe0, runs the job's command and sends
# home its output and its exit status, each through a virtio port of its own:
#
#   stdout, stderr   the bytes the command wrote, nothing else
#   result           lines of ours: "ready", then "status N" or "failed WHY"
#
# so that no output can be taken for a status and the console may say what it
# likes.  A port allows one open at a time, so the command writes into pipes
# and a `cat` carries them over: /dev/stdout stays usable.
#
# `job` is written by run.sh and holds bash assignments: command, directory,
# environment, side, address, peer, mtu, memlock_kb, shared, out.  Its folder
# also holds the helpers of a pair, hence the end of PATH.
# shellcheck disable=SC2154
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/softroce/job
job=/run/softroce/job
# shellcheck source=/dev/null
. "$job/job"

power_off() {
	echo o >/proc/sysrq-trigger
	sleep 100
}

port() {
	local name
	for name in /sys/class/virtio-ports/*/name; do
		if [ "$(<"$name")" = "$1" ]; then
			name=${name%/name}
			echo "/dev/${name##*/}"
		fi
	done
}

fail() {
	echo "guest: $*"
	echo "failed $*" >&3
	power_off
}

mount_all() {
	mkdir -p /dev/pts /dev/shm /out /run/lock
	mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	ln -sfn /proc/self/fd /dev/fd
	ln -sfn /proc/self/fd/0 /dev/stdin
	ln -sfn /proc/self/fd/1 /dev/stdout
	ln -sfn /proc/self/fd/2 /dev/stderr
	chmod 1777 /tmp
	local options=trans=virtio,version=9p2000.L,msize=512000
	[ -z "$out" ] || mount -t 9p -o "$options" out /out ||
		fail "cannot mount /out"
	[ -n "$shared" ] || return 0
	shared=/run/softroce/shared
	mkdir -p "$shared"
	mount -t 9p -o "$options" shared "$shared" ||
		fail "cannot mount the shared folder"
}

# Multicast leaves by a route like any other packet, hence the default route.
network_up() {
	hostname "${side:-softroce}"
	ip link set lo up
	{
		ip link set eth0 mtu "$mtu" up &&
			ip addr add "$address/24" dev eth0 &&
			ip route add default dev eth0
	} || fail "cannot set up eth0"
	rdma link add rxe0 type rxe netdev eth0 || fail "cannot make rxe0"
}

# Becomes the command, with the limits and environment of the job; call it in a
# child.
run_command() {
	exec 3>&-
	cd "$directory" || exit 126
	local drop=()
	if [ -n "$memlock_kb" ]; then
		ulimit -l "$memlock_kb"
		# Root with this capability is never refused.
		drop=(setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock)
	else
		ulimit -l unlimited
	fi
	exec env -i PATH="$PATH" HOME=/root LANG=C.UTF-8 \
		SOFTROCE_SIDE="$side" SOFTROCE_ADDRESS="$address" \
		SOFTROCE_PEER="$peer" SOFTROCE_SHARED="$shared" \
		"${environment[@]}" "${drop[@]}" "${command[@]}"
}

mount_all
stdout=$(port stdout) stderr=$(port stderr) result=$(port result)
exec 3>"$result"
network_up
mkfifo /run/softroce/stdout /run/softroce/stderr
cat /run/softroce/stdout >"$stdout" &
carrier_out=$!
cat /run/softroce/stderr >"$stderr" &
carrier_err=$!
echo ready >&3

run_command </dev/null >/run/softroce/stdout 2>/run/softroce/stderr &
wait $!
status=$?

# A process left behind may hold a pipe open for ever: wait a little only.
for ((i = 0; i < 20; i++)); do
	kill -0 $carrier_out 2>/dev/null ||
		kill -0 $carrier_err 2>/dev/null || break
	sleep 0.05
done
echo "status $status" >&3
power_off
