#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_manager.sh - below a service manager: what it is told, the socket it
# opens, and that no file is opened once the broker serves.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
need_python

# A manager: writes what it is told, a line each message, to a file.
cat >"$work/manager.py" <<'END'
import socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
with open(sys.argv[2], "w") as told:
    while True:
        told.write(listener.recv(4096).decode().replace("\n", "|") + "\n")
        told.flush()
END
start manager python3 "$work/manager.py" "$work/notify" "$work/told"
await 10 test -S "$work/notify"

# ---- ready, watchdog, stopping --------------------------------------------------

NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=400000 broker a
await 10 grep -q '^READY=1|STATUS=' "$work/told"
await 10 sh -c "[ \$(grep -c '^WATCHDOG=1' '$work/told') -ge 4 ]"
kill "${pids[a]}"
finish a
is "exit" 0 $code
await 10 grep -qx 'STOPPING=1' "$work/told"

NOTIFY_SOCKET=$work/none attempt 1 --socket "$place/b.sock"
said "cannot reach the service manager at NOTIFY_SOCKET='$work/none'"

# ---- no file is opened after READY ------------------------------------------------

if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	: >"$work/told"
	ASAN_OPTIONS=detect_leaks=0 NOTIFY_SOCKET=$work/notify start traced \
		strace -f -o "$work/trace" -s 64 \
		-e trace=open,openat,openat2,creat,sendto \
		"$MSGBROKERD" "${quiet[@]}" --socket "$place/t.sock"
	await 20 test -S "$place/t.sock"
	await 20 grep -q READY "$work/trace"
	is "clients held" 5 "$(clients "$place/t.sock" 5 0.3)"
	is "clients held" 50 "$(clients "$place/t.sock" 50 0.3)"
	kill "$(cat "$place/t.lock")"
	finish traced
	is "exit" 0 $code
	check "files are opened before" grep -q open "$work/trace"
	awk '/READY=1/ { ready = 1 } /STOPPING=1/ { ready = 0 }
		ready && /open|creat/' "$work/trace" >"$work/late"
	is "files opened while serving" "" "$(cat "$work/late")"
else
	echo "SKIP no file after READY: strace does not work here"
fi

# ---- a socket that was opened for us ----------------------------------------------

cat >"$work/activate.py" <<'END'
# Bind a socket, start the broker on it, kill it, connect while there is none,
# start it again: who waited is served.
import atexit, os, signal, socket, sys, time
path, log, argv = sys.argv[1], sys.argv[2], sys.argv[3:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(16)

def broker():
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True) # Also when it was 3 already.
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(argv[0], argv)
    running.append(pid)
    return pid

# Leave none behind when this fails.
running = []
me = os.getpid()
def end():
    if os.getpid() == me:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
atexit.register(end)

def ended(pid):
    running.remove(pid)
    return os.waitpid(pid, 0)[1]

def wait(text, count):
    limit = time.monotonic() + 20
    while open(log).read().count(text) < count:
        if time.monotonic() > limit:
            sys.exit("waited in vain for %d times %s" % (count, text))
        time.sleep(0.01)

open(log, "w").close()
first = broker()
wait("opened by the service manager", 1)
one = socket.socket(socket.AF_UNIX)
one.connect(path)
wait("client-connected", 1)
os.kill(first, signal.SIGKILL)
ended(first)
two = socket.socket(socket.AF_UNIX)
two.connect(path)
second = broker()
wait("opened by the service manager", 2)
wait("client-connected", 2)
os.kill(second, signal.SIGTERM)
status = ended(second)
if status != 0 or not os.path.exists(path):
    sys.exit("status %d, socket there: %s" % (status, os.path.exists(path)))
END
# Option --socket is for a start by hand; the manager's socket wins.
python3 "$work/activate.py" "$place/act.sock" "$work/act.err" \
	"$MSGBROKERD" "${quiet[@]}" --verbose --socket "$place/other.sock" \
	2>"$work/activate.err" || fail "socket activation: $(cat "$work/activate.err")"
check "the other socket was not made" test ! -e "$place/other.sock"

# Who comes while it starts waits for it, five seconds: here as long as no start
# should take.  Were it stopped, nobody would, but for a second.
cat >"$work/slow.py" <<'END'
import os, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(16)
print("listens", flush=True)
time.sleep(float(sys.argv[2]))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])
END
start slow python3 "$work/slow.py" "$place/slow.sock" 2 \
	"$MSGBROKERD" "${quiet[@]}"
await 10 grep -q listens "$work/slow.out"
client() {
	env -u MSG_LANE -u MSG_INTERFACE -u MSG_GROUPS -u MSG_PORT \
		MSG_BROKER="$place/slow.sock" MSG_BROKER_POLICY=require "$@"
}
start early client "$MSG" list -q --wait 0.1
client "$MSG" pub -q slow.topic --message hello || fail "a publisher came too early: $?"
check "it waited" grep -q 'info: started:' "$work/slow.err"
finish early
is "exit of who listed meanwhile" 0 $code
stand_still slow
since=$SECONDS
client "$MSG" pub -q slow.topic --message hello 2>"$work/stopped.err" &&
	fail "a stopped broker answers"
since=$((SECONDS - since))
kill -CONT "${pids[slow]}"
[ $since -le 4 ] || fail "a stopped broker was waited for $since s"
kill "${pids[slow]}"
finish slow
is "exit" 0 $code

# What was handed over and is of no use is refused, not passed over.
python3 - "$MSGBROKERD" "${quiet[@]}" --socket "$place/other.sock" \
	2>"$work/attempt.err" <<'END'
import os, sys
os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
END
is "exit with a descriptor that is no socket" 1 $?
said "descriptor 3 of the service manager is no listening Unix stream socket"

# ---- quotas -------------------------------------------------------------------------

printf '[quota]\nconnections = 3\n' >"$work/three.conf"
start few "$MSGBROKERD" --no-network --config "$work/three.conf" \
	--socket "$place/few.sock"
await 20 grep -q 'info: started:' "$work/few.err"
is "connections of three that are held" 3 "$(clients "$place/few.sock" 3 0.3)"
is "connections of nine that are held" 3 "$(clients "$place/few.sock" 9 0.5 3)"
await 10 grep -q "warning: quota-refused: .*may have 3 connections.*'connections' in \[quota\]" \
	"$work/few.err"
six() { [ "$(grep -c quota-refused "$work/few.err")" -ge 6 ]; }
await 10 six
is "the name of a flood" 6 "$(grep -c quota-refused "$work/few.err")"
is "connections afterwards" 3 "$(clients "$place/few.sock" 3 0.3)"
kill "${pids[few]}"
finish few
is "exit" 0 $code
