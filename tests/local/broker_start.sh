#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_start.sh - one broker a name, whatever was left behind or put there.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1

# ---- races ------------------------------------------------------------------

# Four at once: one wins, the others end with 3 and its pid.  The winner ends
# by SIGKILL each second time, so that the next four find what it left.
race() {
	local signal=$1 wanted=$2 i gone winner running=() losers=()
	for i in 1 2 3 4; do
		"$MSGBROKERD" "${quiet[@]}" --name race \
			--socket "$place/race.sock" \
			2>"$work/race$i.err" </dev/null &
		running+=($!)
		pids[race$i]=$!
	done
	for i in 1 2 3; do
		wait -n -p gone "${running[@]}"
		is "exit of a loser" 3 $?
		losers+=("$gone")
		mapfile -t running < <(printf '%s\n' "${running[@]}" |
			grep -vx "$gone")
	done
	winner=${running[0]}
	await 20 grep -q 'info: started:' "$work"/race?.err
	is "losers that name the winner, pid $winner" 3 "$(grep -l \
		"another msgbrokerd (pid $winner) has the name 'race'" \
		"$work"/race?.err | wc -l)"
	kill -"$signal" "$winner"
	wait "$winner"
	is "exit of the winner after SIG$signal" "$wanted" $?
	for i in 1 2 3 4; do unset "pids[race$i]"; done
}

races=${MSG_TEST_RACES:-100}
for ((n = 0; n < races; n += 2)); do
	race KILL 137
	check "a killed broker leaves its socket" test -S "$place/race.sock"
	race TERM 0
	check "SIGTERM removes the socket" test ! -e "$place/race.sock"
done
echo "$races races of four"

# ---- SIGKILL, SIGTERM ---------------------------------------------------------

broker a
kill -KILL "${pids[a]}"
finish a
is "exit after SIGKILL" 137 $code
check "the socket is left" test -S "$place/a.sock"
broker a
check "the socket was found stale" grep -q 'info: stale-socket:' "$work/a.err"
attempt 3 --name a --socket "$place/a.sock"
said "another msgbrokerd (pid ${pids[a]}) has the name 'a'"
for signal in TERM INT HUP; do
	# A job in the background ignores SIGINT, and the broker must not.
	kill -$signal "${pids[a]}"
	finish a
	is "exit after SIG$signal" 0 $code
	is "what SIG$signal leaves behind" "a.lock 0" \
		"$(cd "$place" && stat -c '%n %s' a.*)"
	check "who asked is said" grep -q "stopped: .* SIG$signal from pid $$" \
		"$work/a.err"
	broker a
done
kill "${pids[a]}"
finish a

# Started with nothing to say it to: its words do not go into what it opens first.
"$MSGBROKERD" "${quiet[@]}" --name a --socket "$place/a.sock" <&- >&- 2>&- &
pids[a]=$!
await 20 test -S "$place/a.sock"
is "its standard error" /dev/null "$(readlink "/proc/${pids[a]}/fd/2")"
is "its lock file" "${pids[a]}" "$(cat "$place/a.lock")"
kill "${pids[a]}"
finish a
is "exit without descriptors" 0 $code

# ---- what may lie in the place ------------------------------------------------

rm -f "$place"/a.*
ln -s /dev/null "$place/a.sock"
attempt 1 --socket "$place/a.sock"
said "a.sock is a symbolic link"
rm "$place/a.sock"
echo precious >"$place/a.sock"
attempt 1 --socket "$place/a.sock"
said "a.sock is no socket"
is "the file that was there" precious "$(cat "$place/a.sock")"
rm "$place"/a.*
echo precious >"$work/victim"
ln -s "$work/victim" "$place/a.lock"
attempt 1 --socket "$place/a.sock"
said "a.lock is a symbolic link"
is "what the link led to" precious "$(cat "$work/victim")"
rm "$place"/a.*

mkdir -m 777 "$work/open"
chmod 777 "$work/open"
attempt 1 --socket "$work/open/a.sock"
said "everybody may write to the folder $work/open (mode 0777)"
is "what is left there" "" "$(ls -A "$work/open")"
ln -s "$place" "$work/link"
attempt 1 --socket "$work/link/a.sock"
said "the folder $work/link is a symbolic link"
attempt 1 --socket "$work/none/none/a.sock"
said "cannot make the folder $work/none/none: No such file or directory"
attempt 2 --socket "/$(printf '%0107d' 0)"
said "its value has 108 bytes; 107 is the most"
attempt 2 --socket a.sock
said "is not the whole path"

# ---- the usual place of a user --------------------------------------------------

if [ "$(id -u)" != 0 ]; then
	XDG_RUNTIME_DIR=$work start usual "$MSGBROKERD" "${quiet[@]}"
	await 20 test -S "$work/msg/default.sock"
	kill "${pids[usual]}"
	finish usual
	is "exit in the usual place" 0 $code
	unset XDG_RUNTIME_DIR
	attempt 2
	said "or give --socket PATH"
	echo "SKIP foreign sockets, full and read-only disks: not root"
	exit 0
fi

# ---- as root: sockets of others, disks ------------------------------------------

broker b
kill -KILL "${pids[b]}"
finish b
chown 4711 "$place/b.sock"
attempt 1 --socket "$place/b.sock"
said "the socket $place/b.sock belongs to uid 4711"
check "it is still there" test -S "$place/b.sock"
rm "$place/b.sock"
chown 4711 "$place/b.lock"
attempt 1 --socket "$place/b.sock"
said "the lock file $place/b.lock belongs to uid 4711"
mkdir "$work/foreign"
chown 4711 "$work/foreign"
attempt 1 --socket "$work/foreign/a.sock"
said "the folder $work/foreign belongs to uid 4711"

# As another user, to whom this one's name is no secret, but its lock is.
if command -v setpriv >/dev/null; then
	chmod 755 "$work"
	broker c
	setpriv --reuid 4711 --regid 4711 --clear-groups \
		timeout 10 flock --nonblock "$place/c.lock" true \
		2>"$work/flock.err" && fail "a stranger locks our lock file"
	kill "${pids[c]}"
	finish c
fi

# on_disk OPTIONS COMMANDS: on a small disk of its own at $work/disk.
on_disk() {
	mkdir -p "$work/disk"
	unshare -m bash -c "mount -t tmpfs -o $1 none '$work/disk' && $2
		exec \"\$@\"" on_disk \
		"$MSGBROKERD" "${quiet[@]}" --socket "$work/disk/msg/a.sock" \
		>"$work/attempt.out" 2>"$work/attempt.err" </dev/null
	is "exit on a disk with $1" 1 $?
}
if unshare -m mount -t tmpfs none /mnt 2>/dev/null; then
	on_disk mode=755,size=4k "mkdir '$work/disk/msg' &&
		head -c 4096 /dev/zero >'$work/disk/msg/fill';"
	said "cannot write our pid to $work/disk/msg/a.lock: No space left"
	on_disk mode=755,nr_inodes=2 "mkdir '$work/disk/msg';"
	said "cannot make the lock file $work/disk/msg/a.lock: No space left"
	on_disk mode=755,nr_inodes=3 "mkdir '$work/disk/msg';"
	said "cannot make the socket $work/disk/msg/a.sock: No space left"
	on_disk mode=755,ro ""
	said "cannot make the folder $work/disk/msg: Read-only file system"
	on_disk mode=755 "mkdir '$work/disk/msg' &&
		mount -o remount,ro '$work/disk';"
	said "cannot make the lock file $work/disk/msg/a.lock: Read-only file"
else
	echo "SKIP full and read-only disks: no mount namespaces here"
fi
