#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# readme_lines.sh - the lines that README.md tells a reader to type, typed one after
# the other on a fresh Debian: each does what is said of it, and how long each
# took is printed.
#
#   readme_lines.sh            in a minimal Debian that mmdebstrap fetches (root, and
#                              a network to fetch from), from the files of the tree
#   readme_lines.sh --list     the lines, and what each has to show
#   readme_lines.sh --inside   in a machine that nobody will miss: it installs
#
# A line that README.md has and this does not know, or the other way round, is a
# failure, too: so both stay true.  What would go on for ever is ended as a reader
# ends it, by ^C.
set -euo pipefail
export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# How a line begins; seconds until ^C, or until it is too slow (=); what it has to show.
known=$(cat <<'END'
examples/demo.sh ;=1200; every subscriber received every message: 3 x [0-9]*, .* 0 lost
tests/run.sh ;skip; it takes half an hour
cmake -C ;=60; Build files have been written
cmake --build ;=1200; package: .*msg-tools.* generated
apt-get install ;=600; Setting up msg-tools
build/demo/examples/typed_publish ;=5;
msg echo ;4; md.acme .* symbol="ACME" price=10
msg type ;=10; required double price = 2
msg record ;4; [1-9][0-9]* messages, .* 0 lost on the way, 0 dropped here
msg play ;=20; [1-9][0-9]* messages, .* 0 failed
msg list; ;=30; md.acme
man msg; ;=20; MSG_PUBLISHER\|msg_publisher_send
/usr/bin/python3 ;=30; 9: 189.0 (0 lost before)
c++ ;=120; east 9: 189.5
msgbrokerd ;=5;
build/demo/examples/hello_subscribe ;=20; hello 49 (0 lost before)
msg info; ;=60; broker 'default'
END
)

# The indented blocks, without what a picture or a table is.
lines() {
	awk '/^```/ { code = !code } !code && /^    \/?[a-z]+[\/ a-z+]/ &&
		!/^    (publisher|group|frames|memory|every) / { print substr($0, 5) }' \
		"$root/README.md"
}
# what LINE: its entry
what() {
	local begin rest
	while IFS= read -r entry; do
		begin=${entry%% ;*}
		rest=${entry#* ;}
		[[ $1 != "$begin"* ]] || { echo "$rest"; return; }
	done <<<"$known"
	return 1
}

failed=0
complain() { echo "FAIL: $*"; failed=1; }

check_list() {
	local entry line
	while IFS= read -r line; do
		what "$line" >/dev/null ||
			complain "README.md has a line that is not known here: $line"
	done < <(lines)
	while IFS= read -r entry; do
		lines | grep -qF -- "${entry%% ;*}" ||
			complain "README.md has no line '${entry%% ;*}' any more"
	done <<<"$known"
}

# ---- a terminal, and a shell in it -----------------------------------------------

open_terminal() {
	mkfifo /tmp/keys
	script -qefc 'bash --norc --noprofile --noediting -i' /tmp/screen \
		</tmp/keys >/dev/null &
	exec 9>/tmp/keys
	# A reader leaves a pager by himself.
	echo 'stty -echo; export PAGER=cat MANPAGER=cat; PS1="<ready \$?> "' >&9
	sleep 1
}
shown() { tail -c "+$from" /tmp/screen | tr -d '\r'; }
is_ready() { [[ $(shown | tail -n 1) == *'<ready '*'> ' ]]; }

# type_line LINE SECONDS SHOWS
type_line() {
	local limit=${2#=} begin=$SECONDS code
	from=$(($(stat -c %s /tmp/screen) + 1))
	printf '%s\n' "$1" >&9
	until is_ready; do
		[ $((SECONDS - begin)) -lt "$limit" ] || break
		sleep 0.1
	done
	if ! is_ready; then
		[[ $2 != =* ]] || complain "not done after $limit s: $1"
		printf '\003' >&9
		for ((i = 0; i < 100; i++)); do
			! is_ready || break
			sleep 0.1
		done
		is_ready || complain "^C does not end: $1"
	fi
	code=$(shown | sed -n 's/.*<ready \([0-9]*\)> $/\1/p' | tail -n 1)
	printf '%4d s  %s\n' $((SECONDS - begin)) "$1"
	[[ $2 != =* ]] || [ "$code" = 0 ] || complain "exit $code: $1"
	# Read to its end: who stops early breaks the pipe.
	[ -z "$3" ] || shown | grep -- "$3" >/dev/null || complain "'$3' is not shown: $1"
	[ $failed = 0 ] || { shown | tail -n 25; exit 1; }
}

if [ "${1:-}" = --list ]; then
	check_list
	while IFS= read -r line; do
		printf '%s\n    %s\n' "$line" "$(what "$line")"
	done < <(lines)
	exit $failed
fi

if [ "${1:-}" = --inside ]; then
	cd "$root"
	begin=$SECONDS
	open_terminal
	while IFS= read -r line; do
		entry=$(what "$line")
		seconds=${entry%%;*}
		shows=${entry#*; } # Nothing behind the last one.
		[ "$shows" != "$entry" ] || shows=''
		[ "$seconds" != skip ] || continue
		type_line "$line" "$seconds" "$shows"
	done < <(lines)
	echo "ok: $((SECONDS - begin)) s in all, load $(cut -d' ' -f1 /proc/loadavg)"
	exit 0
fi

check_list
[ $failed = 0 ] || exit 1
[ "$(id -u)" = 0 ] || { echo 'SKIP readme_lines: only root can change roots'; exit 77; }
for program in mmdebstrap unshare git; do
	command -v $program >/dev/null ||
		{ echo "SKIP readme_lines: no $program"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fresh=$work/root
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --variant=minbase "$release" "$fresh" >"$work/said" 2>&1 || {
	tail -n 5 "$work/said"
	echo "SKIP readme_lines: no minimal $release could be fetched"
	exit 77
}
mkdir "$fresh/srv/libmsg"
(cd "$root" && git ls-files -z | tar -c --null -T -) | tar -x -C "$fresh/srv/libmsg"
cp /etc/resolv.conf "$fresh/etc/" 2>/dev/null || true
cp /etc/apt/apt.conf.d/*proxy* "$fresh/etc/apt/apt.conf.d/" 2>/dev/null || true
# Others may be on this loopback.
export fresh port=$((20000 + $$ % 12000)) groups=239.255.$((100 + $$ % 100)).0+32
unshare -m -p -f --kill-child bash -c '
	mount -t proc none "$fresh/proc" && mount -t sysfs none "$fresh/sys" &&
	mount --rbind /dev "$fresh/dev" && mount -t tmpfs none "$fresh/run" &&
	mount -t tmpfs none "$fresh/tmp" &&
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
		MSG_PORT=$port MSG_GROUPS=$groups MSG_LANE=udp \
		chroot "$fresh" /bin/bash /srv/libmsg/tests/local/readme_lines.sh --inside'
