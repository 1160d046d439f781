#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# packages.sh - the Debian packages are built, depend on what they need,
# install, work, and leave nothing behind.
#
#   packages.sh              installs them with dpkg into a throw-away layer over
#                            this machine's own files, in namespaces: no network
#   packages.sh --minbase    besides, with apt into a minimal Debian that mmdebstrap
#                            fetches
#
# lintian judges them if it is there.
set -euo pipefail
: "${CC:?}" "${CMAKE:?}" "${SOURCE:?}" "${BUILD:?}" "${GENERATOR:?}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ---- inside: root of a file system that nobody will miss ----------------------

fail() { echo "FAIL: $*"; exit 1; }

# Everything that dpkg and the scripts may touch, but for dpkg's own books.
inventory() {
	(cd / && find etc usr lib* bin sbin var/lib -xdev \
		! -path 'var/lib/dpkg*' ! -path 'var/lib/apt*' ! -name '*.cache' \
		! -path 'etc/passwd*' ! -path 'etc/group*' ! -path 'etc/*shadow*' \
		! -path 'etc/subuid*' ! -path 'etc/subgid*' ! -name 'ld.so.cache' \
		! -path '*/cache/*' 2>/dev/null | sort)
}

inside() { # inside HOW: dpkg or apt; the packages are in /packages
	local how=$1 broker program
	export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 MSG_LANE=udp \
		MSG_INTERFACE=lo MSG_BROKER_POLICY=never HOME=/
	ip link set lo up 2>/dev/null || true
	inventory >/before
	if [ "$how" = apt ]; then
		apt-get update >/said 2>&1 || { cat /said; fail "apt-get update"; }
		apt-get install -y --no-install-recommends /packages/*.deb \
			>/said 2>&1 || { cat /said; fail "apt-get install"; }
	else
		dpkg -i /packages/*.deb >/said 2>&1 ||
			{ cat /said; fail "dpkg -i"; }
	fi
	for program in msg msgbrokerd; do
		ldd "$(command -v $program)" | grep -q 'not found' &&
			fail "$program misses a library"
		$program --version >/dev/null || fail "$program --version"
	done
	getent passwd msg >/dev/null || fail "no user msg"
	[ -e /usr/share/man/man3/msg_publisher_send.3.gz ] ||
		fail "no page of msg_publisher_send"
	[ "$(readlink -f /usr/share/man/man3/msg_publisher_send.3.gz)" = \
		/usr/share/man/man3/msg_loan.3.gz ] ||
		fail "msg_publisher_send(3) leads elsewhere"

	# A message, straight and through the broker.
	talk() {
		timeout 60 msg echo -q --count 1 --timeout 30 pack.age >/heard &
		program=$!
		sleep 1
		msg pub -q --message whole pack.age || fail "$1: msg pub"
		wait $program || fail "$1: msg echo"
		grep -q whole /heard || fail "$1: another message"
	}
	if [ -e /sys/class/net/lo ]; then
		talk direct
	fi
	mkdir -p /run/msg && chown msg /run/msg
	setpriv --reuid msg --regid msg --clear-groups msgbrokerd --no-network \
		--socket /run/msg/pack.sock 2>/broker.log &
	broker=$!
	for ((i = 0; i < 100; i++)); do
		[ ! -e /broker.log ] || ! grep -q started: /broker.log || break
		sleep 0.1
	done
	unset MSG_LANE MSG_INTERFACE
	MSG_BROKER=/run/msg/pack.sock MSG_BROKER_POLICY=require talk broker
	kill $broker
	wait $broker ||
		fail "the broker: $(cat /broker.log)"
	rm -r /run/msg

	if [ -e /usr/lib/python3/dist-packages/msg ] && command -v /usr/bin/python3 >/dev/null; then
		(cd / && /usr/bin/python3 -c 'import msg; print(msg.__file__)') |
			grep -q dist-packages || fail "python3 cannot import msg"
		echo "ok: python3-msg"
	fi

	if command -v systemd-analyze >/dev/null; then
		systemd-analyze verify --man=no msgbrokerd.service \
			msgbrokerd.socket >/said 2>&1 ||
			{ cat /said; fail "systemd-analyze verify"; }
		echo "ok: units"
	fi

	dpkg -P $(for deb in /packages/*.deb; do dpkg-deb -f "$deb" Package
	done) >/said 2>&1 || { cat /said; fail "dpkg -P"; }
	inventory >/after
	if [ "$how" = apt ]; then # What they need stays.
		grep -E '/(msg|libmsg|msg-)[^/]*$|/msg/' /after >/left || true
		comm -13 /before /left >/more
	else
		comm -13 /before /after >/more
	fi
	[ ! -s /more ] || { cat /more; fail "files are left behind"; }
	comm -23 /before /after >/fewer
	[ ! -s /fewer ] || { cat /fewer; fail "files of others are gone"; }
	echo "ok: $how installs, runs and removes"
}
if [ "${1:-}" = --inside ]; then
	inside "$2"
	exit 0
fi

# ---- outside -------------------------------------------------------------------

if [ -n "${SANITIZE:-}" ]; then
	echo "SKIP packages: nobody installs a sanitizer build"
	exit 77
fi
for program in dpkg-deb dpkg-shlibdeps dpkg; do
	command -v $program >/dev/null || {
		echo "SKIP packages: no $program"
		exit 77
	}
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck source=tests/support/quietly.sh
. "$SOURCE/tests/support/quietly.sh"

build=$BUILD/debian
quietly 'configure' "$CMAKE" -C "$SOURCE/libmsg/cmake/debian.cmake" -S "$SOURCE" \
	-B "$build" -G "$GENERATOR" -DCMAKE_C_COMPILER="$CC" \
	${LAUNCHER:+-DCMAKE_C_COMPILER_LAUNCHER=$LAUNCHER} -DMSG_WERROR=ON
rm -rf "$build/packages"
quietly 'build and package' "$CMAKE" --build "$build" --target package
debs=("$build"/packages/*.deb)

# ---- what they are ---------------------------------------------------------------

field() { # field PACKAGE FIELD
	dpkg-deb -f "$build"/packages/"$1"_*.deb "$2"
}
for package in libmsg0 libmsg-dev msg-tools msgbrokerd libfabric-udmc python3-msg; do
	compgen -G "$build/packages/${package}_*.deb" >/dev/null ||
		fail "no package $package"
done
if "${PKG_CONFIG:-pkg-config}" --exists libmicrohttpd; then
	[[ $(field msg-exporter Depends) == *libmicrohttpd* ]] ||
		fail "msg-exporter does not depend on libmicrohttpd"
fi
for library in libfabric1 libibverbs1 librdmacm1 libprotobuf-c1 libc6; do
	[[ $(field libmsg0 Depends) == *"$library"* ]] ||
		fail "libmsg0 does not depend on $library: $(field libmsg0 Depends)"
done
for package in msg-tools libmsg-dev msgbrokerd python3-msg; do
	[[ $(field $package Depends) == *libmsg0* ]] ||
		fail "$package does not depend on libmsg0: $(field $package Depends)"
done
# Merely to print help, nobody loads a fabric.
[[ $(field msg-tools Depends) != *libfabric* ]] ||
	fail "msg-tools depends on libfabric by itself"
for deb in "${debs[@]}"; do
	dpkg-deb -c "$deb" | awk '{ print $6 }' | grep -v '/$'
done | sort | uniq -d >"$work/twice"
[ ! -s "$work/twice" ] || { cat "$work/twice"; fail "files in two packages"; }

# ---- lintian ---------------------------------------------------------------------

# Of a package that no archive knows: a bug to close, a real mailbox.  The units
# lie below /usr, where Debian 12 reads them as well.
known=bogus-mail-host,initial-upload-closes-no-bugs,mail-address-loops-or-bounces
known+=,bogus-mail-host-in-debian-changelog,systemd-service-in-odd-location
if command -v lintian >/dev/null; then
	quietly 'lintian' lintian --fail-on error --allow-root \
		--suppress-tags "$known" "${debs[@]}"
	grep '^W' "$work/said" || true
else
	echo "SKIP lintian: it is not here"
fi

# ---- installed -------------------------------------------------------------------

if [ "$(id -u)" != 0 ]; then
	echo "SKIP installing: only root can change roots"
	exit 0
fi
mkdir -p "$work/layer"
export work build here
if ! unshare -m bash -c 'mount -t tmpfs none "$work/layer" &&
	mkdir "$work/layer/"{up,work,root} && mount -t overlay overlay -o \
	"lowerdir=/,upperdir=$work/layer/up,workdir=$work/layer/work" \
	"$work/layer/root"' 2>"$work/said"; then
	echo "SKIP installing: no overlay here: $(head -n 1 "$work/said")"
	exit 0
fi

# in_root ROOT HOW
enter='mkdir -p "$root/packages" && cp "$build"/packages/*.deb "$root/packages" &&
	cp "$here/packages.sh" "$root/packages.sh" &&
	mount -t proc none "$root/proc" && mount -t sysfs none "$root/sys" &&
	mount --rbind /dev "$root/dev" && mount -t tmpfs none "$root/run" &&
	mount -t tmpfs none "$root/tmp" &&
	exec env CC=- CMAKE=- SOURCE=- BUILD=- GENERATOR=- \
		chroot "$root" /bin/bash /packages.sh --inside "$how"'
root=$work/layer/root how=dpkg enter=$enter \
	unshare -m -n -p -f --kill-child bash -c 'mount -t tmpfs none "$work/layer" &&
	mkdir "$work/layer/"{up,work,root} && mount -t overlay overlay -o \
	"lowerdir=/,upperdir=$work/layer/up,workdir=$work/layer/work" "$root" &&
	eval "$enter"'

[ "${1:-}" = --minbase ] || exit 0
command -v mmdebstrap >/dev/null || fail "there is no mmdebstrap"
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
quietly "a minimal $release" mmdebstrap --variant=minbase \
	"$release" "$work/minbase"
cp /etc/resolv.conf "$work/minbase/etc/" 2>/dev/null || true
cp /etc/apt/apt.conf.d/*proxy* "$work/minbase/etc/apt/apt.conf.d/" 2>/dev/null || true
root=$work/minbase how=apt enter=$enter unshare -m -p -f --kill-child \
	bash -c 'eval "$enter"'
