#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh - run a command on a machine that has RDMA, without owning one.
#
#   tests/softroce/run.sh [OPTION...] -- COMMAND [ARG...]
#
# Boots Debian's kernel in QEMU's software emulation, makes the SoftRoCE device
# rxe0 on its only card and runs COMMAND there as root, in the directory it was
# called from.  The guest sees the host's files read-only (its writes go to
# memory and vanish), so whatever was just built runs as it is.
#
#   run.sh -- COMMAND                     guest
#   ┌───────────────────┐   9p "root"    ┌──────────────────────────┐
#   │ host files        │ ─────────────▶ │ / (tmpfs laid over)      │
#   │ DIR of --out      │ ◀───────────── │ /out                     │
#   │ stdout, stderr    │ ◀─ 2 ports ─── │ COMMAND                  │
#   │ exit status       │ ◀─ 1 port ──── │ guest.sh                 │
#   └───────────────────┘                │ rxe0 on eth0, 10.77.0.1  │
#                                        └──────────────────────────┘
# The ports write into files of a temporary folder, which `tail` follows: a
# file takes what it is given, so a slow reader here loses nothing there.
#
# machine.sh makes the kernel and initramfs, init and guest.sh run inside,
# pair.sh joins two of these.  Tested by selftest.sh.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)

usage() {
	cat <<'HELP'
usage: tests/softroce/run.sh [OPTION...] -- COMMAND [ARG...]

Run COMMAND on an emulated machine with the SoftRoCE device rxe0 (on eth0,
10.77.0.1), as root, in the current directory; / is the host's, read-only with
a scratch layer.  Its stdout, stderr and exit status become ours; its standard
input is empty.

  --env NAME[=VALUE]  pass a variable on (repeatable); others are not passed
  --out DIR           what COMMAND writes to /out appears in DIR
  --timeout SECONDS   end the machine after this time, boot included (240)
  --mtu 1500|9000     Ethernet MTU; rxe0 then has 1024 or 4096 (1500)
  --memory SIZE       memory of the guest, in QEMU's notation (2G)
  --cpus N            processors of the guest (2)
  --memlock KB        limit on locked memory, CAP_IPC_LOCK dropped (unlimited)
  --kernel FILE.deb   a kernel package at hand, instead of fetching Debian's
  --cache DIR         where kernel and initramfs are kept (build/softroce)
  --quiet             no progress lines on stderr
  --prepare           only make sure that all is there to boot
  --help              this text

Exit status: that of COMMAND; 124 after the timeout; 125 when the machine
failed; 2 on wrong usage or when a program or the kernel package is missing.
The last console log is kept as console.log in the cache folder.
HELP
}

say() { [ -n "$quiet" ] || echo "softroce: $*" >&2; }
die() { echo "softroce: $1" >&2; exit "${2:-2}"; }

# Each program and the Debian package that has it.
check_programs() {
	local program package missing=()
	while read -r program package; do
		command -v "$program" >/dev/null || missing+=("$package")
	done <<'PROGRAMS'
qemu-system-x86_64 qemu-system-x86
busybox busybox-static
cpio cpio
modprobe kmod
xz xz-utils
ip iproute2
rdma iproute2
PROGRAMS
	[ ${#missing[@]} = 0 ] || die "missing programs; run:
  apt-get install --no-install-recommends $(
		printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')"
	command -v apt-get >/dev/null || [ -n "$kernel" ] ||
		die "no apt-get here to fetch Debian's kernel with; pass --kernel"
}

quiet='' kernel='' out='' prepare='' memlock_kb='' cache=$project/build/softroce
timeout=240 mtu=1500 memory=2G cpus=2
# For pair.sh: which side we are, where the wire is, what both sides share.
side='' wire='' shared=''
environment=()
while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	--quiet) quiet=yes; shift; continue ;;
	--prepare) prepare=yes; shift; continue ;;
	--) shift; break ;;
	--*) [ $# -ge 2 ] || die "$1 needs a value; see --help" ;;
	*) die "put -- before the command; see --help" ;;
	esac
	case $1 in
	--env)
		if [[ $2 == *=* ]]; then
			environment+=("$2")
		elif [ -n "${!2+set}" ]; then
			environment+=("$2=${!2}")
		fi ;;
	--out) out=$2 ;;
	--timeout) timeout=$2 ;;
	--mtu) mtu=$2 ;;
	--memory) memory=$2 ;;
	--cpus) cpus=$2 ;;
	--memlock) memlock_kb=$2 ;;
	--kernel) kernel=$2 ;;
	--cache) cache=$2 ;;
	--side) side=$2 ;;
	--wire) wire=$2 ;;
	--shared) shared=$2 ;;
	*) die "unknown option $1; see --help" ;;
	esac
	shift 2
done
[ -n "$prepare" ] || [ $# -gt 0 ] || die "no command given; see --help"
case $mtu in 1500 | 9000) ;; *) die "--mtu is 1500 or 9000" ;; esac
[[ $timeout =~ ^[0-9]+$ && $cpus =~ ^[0-9]+$ ]] ||
	die "--timeout and --cpus take a whole number"
[[ -z $memlock_kb || $memlock_kb =~ ^[0-9]+$ ]] ||
	die "--memlock takes a number of KB"

check_programs
boot=$("$here/machine.sh" "$cache" "$kernel")
[ -z "$prepare" ] || exit 0

tmp=$(mktemp -d "${TMPDIR:-/tmp}/softroce.XXXXXX")
machine='' followers=()
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	trap '' INT TERM HUP
	[ -z "$machine" ] || kill "$machine" 2>/dev/null || true
	[ ${#followers[@]} = 0 ] || kill "${followers[@]}" 2>/dev/null || true
	wait
	[ ! -s "$tmp/console" ] || mv "$tmp/console" "$cache/console.log" || true
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# The job: what guest.sh reads, as bash assignments quoted by bash.
mkdir "$tmp/job"
cp "$here"/{guest,barrier,wire}.sh "$tmp/job/"
chmod 755 "$tmp"/job/*.sh
command=("$@") directory=$PWD address=10.77.0.1 peer=
mac=52:54:00:77:00:01
case $side in
left) peer=10.77.0.2 ;;
right) address=10.77.0.2 peer=10.77.0.1 mac=52:54:00:77:00:02 ;;
esac
declare -p command directory environment side address peer mtu memlock_kb \
	shared out >"$tmp/job/job"
touch "$tmp"/{stdout,stderr,result,console}

# QEMU splits its options at commas; a doubled one stands for itself.
share() {
	echo "local,path=${2//,/,,},mount_tag=$1,security_model=none,multidevs=remap$3"
}
disks=(-virtfs "$(share root / ,readonly=on)"
	-virtfs "$(share job "$tmp/job" ,readonly=on)")
if [ -n "$out" ]; then
	mkdir -p "$out"
	disks+=(-virtfs "$(share out "$(cd "$out" && pwd)" '')")
fi
[ -z "$shared" ] || disks+=(-virtfs "$(share shared "$shared" '')")

ports=(-device virtio-serial-pci)
for name in stdout stderr result; do
	ports+=(-chardev "file,id=$name,path=${tmp//,/,,}/$name"
		-device "virtserialport,chardev=$name,name=$name")
done

# A lone card sits on the emulated user network, which lets nothing out.
network=user,id=wire,restrict=on,ipv6=off
[ -z "$wire" ] || network=dgram,id=wire,$wire

# tsc=reliable: the emulated counters agree, the kernel only cannot tell; with
# hpet instead a reading of the clock costs 0.9 us in place of 0.14.
# no_timer_check: the kernel panics if it sees no ten ticks while it counts, and on
# a crowded host it may not.
# `timeout` ends the machine; the death signals end it should we be killed.
run_machine() {
	setpriv --pdeathsig TERM timeout -k 5 "$timeout" \
		setpriv --pdeathsig KILL qemu-system-x86_64 \
		-nodefaults -no-user-config -no-reboot -display none \
		-monitor none -machine pc,accel=tcg -cpu max -smp "$cpus" \
		-m "$memory" -kernel "$boot/vmlinuz" -initrd "$boot/initrd" \
		-append "console=ttyS0 quiet loglevel=5 panic=-1 mitigations=off tsc=reliable no_timer_check" \
		-serial "file:$tmp/console" \
		-netdev "$network" \
		-device "virtio-net-pci,netdev=wire,mac=$mac,romfile=" \
		"${disks[@]}" "${ports[@]}" </dev/null >"$tmp/qemu" 2>&1 &
	machine=$!
	tail -c +1 -s 0.1 -f --pid="$machine" "$tmp/stdout" &
	followers+=($!)
	tail -c +1 -s 0.1 -f --pid="$machine" "$tmp/stderr" >&2 &
	followers+=($!)

	code=0
	wait "$machine" || code=$?
	machine=''
	wait "${followers[@]}" || true
	followers=()
}

say "booting"
run_machine
# QEMU's emulation itself may crash while the second processor comes up (one
# boot of some hundred on a crowded host).  Nothing has run yet then.
if [ "$code" = 139 ] && [ ! -s "$tmp/result" ]; then
	say "QEMU crashed before there was a machine; booting once more"
	run_machine
fi

result=$(tail -n 1 "$tmp/result")
case $result in
"status "*)
	exit "${result#status }" ;;
esac
if [ "$code" = 124 ] || [ "$code" = 137 ]; then
	echo "softroce: ended after $timeout seconds (--timeout)" >&2
	[ -z "$result" ] || exit 124
	echo "softroce: the machine was not up yet; its console ends:" >&2
	tail -n 20 "$tmp/console" >&2
	exit 124
fi
echo "softroce: the machine failed (${result:-no sign of life});" \
	"its console ends:" >&2
cat "$tmp/qemu" >&2
tail -n 20 "$tmp/console" >&2
exit 125
