#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# machine.sh - fetch the guest's kernel and build its initramfs, once.
#
#   machine.sh CACHE [KERNEL.deb]
#
# Prints the folder that holds `vmlinuz` and `initrd`, ready for QEMU.
#
# The kernel is Debian's own, because a stock kernel is what people run and
# because the host's may have no InfiniBand at all.  It is unpacked, never
# installed, so no root is needed.  The *cloud* flavour has neither rdma_rxe
# nor 9p: we take what `linux-image-amd64` depends on.
#
# The initramfs holds busybox, the modules in the order they load, and `init`
# from this folder; it is kept under a name made of the kernel's version and a
# hash of what went in, so an edited script builds another one.  Both steps run
# under one lock: of several first runs one works and the others wait.
#
# Called by run.sh.  Exits 2 when something needed is missing.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$1
deb=${2:-}

# What the guest loads; dependencies are found.  crc32_generic has no user that
# modprobe can see, yet without it rxe refuses to start.
modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay virtio_net
	crc32_generic crc32-pclmul rdma_rxe rdma_ucm ib_uverbs
	veth dummy sch_netem tun)

say() { echo "softroce: $*" >&2; }
die() { say "$*"; exit 2; }

# The package's name; needs the package lists (apt-get update) but no root.
kernel_package() {
	apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: *\(linux-image-[0-9].*-amd64\)$/\1/p' |
		grep -v cloud | sort -V | tail -n 1
}

download_kernel() {
	local name sandbox=()
	name=$(kernel_package)
	[ -n "$name" ] || die "no package linux-image-amd64 is known here;" \
		"run: apt-get update (or pass --kernel FILE.deb)"
	say "fetching kernel package $name (70 MB)"
	[ "$(id -u)" != 0 ] || sandbox=(-o APT::Sandbox::User=root)
	(cd "$1" && apt-get download -qq "${sandbox[@]}" "$name" >&2) ||
		die "cannot fetch $name; run: apt-get update" \
			"(or pass --kernel FILE.deb)"
}

# Keep only what we boot: the kernel, decompressed here because the emulated
# processor takes seconds for it, and the modules named above.
unpack_kernel() {
	local work=$1 version offset
	say "unpacking $(basename "$2")"
	dpkg -x "$2" "$work/root"
	version=$(cd "$work/root/lib/modules" && echo *)
	depmod -b "$work/root" "$version"
	mkdir "$work/kernel"
	for module in "${modules[@]}"; do
		modprobe -d "$work/root" -S "$version" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' \
		>"$work/paths"
	while read -r path; do
		cp "$path" "$work/kernel/"
		basename "$path"
	done <"$work/paths" >"$work/kernel/modules"
	cp "$work/root/boot/vmlinuz-$version" "$work/kernel/vmlinuz"
	decompress "$work/kernel/vmlinuz"
	echo "$version" >"$work/kernel/version"
	rm -rf "$cache/kernel"
	mv "$work/kernel" "$cache/kernel"
}

# Replace a bzImage by the ELF image inside, when it is xz and starts by PVH
# (Debian 12); any other is left as it is and boots as well, later.
decompress() {
	local offset
	offset=$(LC_ALL=C grep -aobP -m 1 '\xfd7zXZ\x00' "$1" |
		head -n 1 | cut -d : -f 1) || return 0
	[ -n "$offset" ] || return 0
	tail -c "+$((offset + 1))" "$1" | xz -dc --single-stream \
		>"$1.elf" 2>/dev/null || true
	if [ "$(head -c 4 "$1.elf" | tail -c 3)" = ELF ]; then
		mv "$1.elf" "$1"
	else
		rm -f "$1.elf"
	fi
}

build_initrd() {
	local work=$1 initrd=$2 root=$1/initrd
	say "building the initramfs"
	mkdir -p "$root"/{bin,modules,proc,sys,dev,lower,upper,merged}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$cache"/kernel/*.ko "$cache/kernel/modules" "$root/modules/"
	cp "$here/init" "$root/init"
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) \
		>"$work/initrd.img"
	mkdir -p "$(dirname "$initrd")"
	mv "$work/initrd.img" "$initrd"
}

mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

wanted=$(printf '%s ' "${modules[@]}")
if [ -n "$deb" ]; then
	[ -r "$deb" ] || die "cannot read $deb"
	wanted+=$(sha256sum <"$deb" | cut -c 1-16)
fi
if [ "$(cat "$cache/kernel/wanted" 2>/dev/null)" != "$wanted" ]; then
	if [ -z "$deb" ]; then
		download_kernel "$work"
		deb=$(echo "$work"/*.deb)
	fi
	unpack_kernel "$work" "$deb"
	echo "$wanted" >"$cache/kernel/wanted"
fi

hash=$(cat "$here/init" "$cache/kernel/modules" "$(command -v busybox)" |
	sha256sum | cut -c 1-12)
boot=$cache/boot-$(cat "$cache/kernel/version")-$hash
if [ ! -e "$boot/vmlinuz" ]; then
	build_initrd "$work" "$boot/initrd"
	cp "$cache/kernel/vmlinuz" "$boot/vmlinuz.part"
	mv "$boot/vmlinuz.part" "$boot/vmlinuz"
fi
echo "$boot"
