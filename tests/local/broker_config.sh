#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_config.sh - command line, --check-config, `msg broker`.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
unset MSG_LANE MSG_INTERFACE MSG_PORT MSG_GROUPS

usage() { # usage SENTENCE OPTIONS...
	local sentence=$1
	shift
	attempt 2 "$@"
	said "$sentence"
}
usage "unknown or ambiguous option '--prot'" --prot 7
usage "unknown option '-Z'" -Z
usage "option '--port' needs a value" --port
usage "option '--json=1' takes no value" --json=1
usage "'run' is no option; msgbrokerd takes options alone" run
usage "--json goes with --check-config" --json
usage "--port: 70000 is out of range: 1 to 65535" --port 70000
usage "--slots: 63 is out of range: 64 to 65536" --slots 63
usage "--spin: 'long' is not a whole number" --spin long
usage "--lane: 'tcp' is no lane; write verbs, udp or none" --lane tcp
usage "--name: 'a/b' is no name of a broker" --name a/b
usage "--groups: groups '10.0.0.1+4': not a multicast address" \
	--groups 10.0.0.1+4
usage "/no/such.conf: cannot be read: No such file" --config /no/such.conf
usage "'\\x1b[31m'" $'\033[31m'
MSG_TTL=0 usage "MSG_TTL: 0 is out of range: 1 to 255"

"$MSGBROKERD" --help >"$work/help" || fail "--help: exit $?"
for option in name socket interface device lane groups port ttl frame-bytes \
	slots large-bytes spin-us spin socket-mode socket-group no-network config \
	check-config json quiet verbose help version; do
	check "--$option is told" grep -q -- "--$option" "$work/help"
	check "--$option is in the manual" grep -qE -- "[-]${option}( |\$)" \
		"$(dirname "${BASH_SOURCE[0]}")/../../broker/msgbrokerd.8"
done
check "exit codes are told" grep -q '3 another broker has the name' "$work/help"
[[ $("$MSGBROKERD" --version) =~ ^msgbrokerd\ [0-9.]+$ ]] || fail "--version"

# Options win over the environment, that over the file; all are named.
cat >"$work/some.conf" <<'END'
[broker]
port = 1001
ttl = 3
name = filed
spin_us = 7
[topic md.>]
subscribe = uid:5
	gid:6
END
MSG_TTL=4 MSG_PORT=1002 "$MSGBROKERD" --check-config \
	--config "$work/some.conf" --port 1003 --socket /x/y.sock \
	>"$work/text" || fail "--check-config: exit $?"
for line in 'port = 1003 ; command line' 'ttl = 4 ; environment' \
	'name = filed ; line 4' 'spin_us = 7 ; line 5' \
	'slots = 4096 ; default' 'socket = /x/y.sock ; command line'; do
	check "settings hold: $line" grep -qx "$line" "$work/text"
done
"$MSGBROKERD" --check-config --config "$work/text" >"$work/again" ||
	fail "the settings in force are no file"
is "the settings read again" "$(sed 's/ *;.*//' "$work/text")" \
	"$(sed 's/ *;.*//' "$work/again")"
"$MSGBROKERD" --check-config --json --config "$work/some.conf" \
	>"$work/json" || fail "--json: exit $?"
json_valid "$work/json" || fail "not JSON: $(cat "$work/json")"
check "JSON has rights" grep -q '"subscribe":\["uid:5","gid:6"\]' "$work/json"

# A network that is wanted and not.
for two in "--lane none --interface lo" "--no-network --device rxe7"; do
	read -ra arguments <<<"$two"
	"$MSGBROKERD" --check-config --config "$work/empty.conf" \
		"${arguments[@]}" >"$work/both" 2>"$work/both.err"
	is "exit of $two" 2 $?
	check "says so" grep -q 'lane is none, but .* leave one' "$work/both.err"
done
printf '[broker]\ninterface = lo\n' >"$work/lo.conf"
"$MSGBROKERD" --check-config --config "$work/lo.conf" --no-network \
	>"$work/over" || fail "an option overrules the file: exit $?"
printf 'lane = none\n' >>"$work/lo.conf"
"$MSGBROKERD" --check-config --config "$work/lo.conf" 2>/dev/null
is "exit of a file with both" 2 $?

# `msg broker` finds the broker on PATH.
PATH=$(dirname "$MSGBROKERD"):$PATH
"$MSG" broker >"$work/list" || fail "msg broker: exit $?"
check "subcommands are listed" grep -q 'check-config' "$work/list"
"$MSG" broker check-config "$work/some.conf" >"$work/tool" ||
	fail "msg broker check-config: exit $?"
"$MSGBROKERD" --check-config --config "$work/some.conf" >"$work/own"
check "two ways, one text" cmp "$work/tool" "$work/own"
"$MSG" broker check-config --json "$work/some.conf" | cmp - "$work/json" ||
	fail "two ways, one JSON"
echo '[brokr]' >"$work/bad.conf"
"$MSG" broker check-config "$work/bad.conf" 2>"$work/bad.err"
is "exit with a bad file" 2 $?
check "where it is" grep -q "bad.conf:1: unknown section" "$work/bad.err"

# Rules without a last word close the rest, and that is said.
broker rules --config "$work/some.conf"
check "closed rest" grep -q 'warning: rights-closed: .*some.conf' \
	"$work/rules.err"
kill "${pids[rules]}"
finish rules
is "exit" 0 $code
