# SPDX-License-Identifier: BSD-2-Clause
#
# callgrind.sh - instructions per message, as callgrind counts them: what cost.sh
# here and that of tests/bindings/cxx share.  To be sourced, after `set -e`.
#
#   each FUNCTION WITHOUT COMMAND...  what a message costs in FUNCTION and all it
#                    calls, printed; lines that match the regular expression
#                    WITHOUT do not count.  COMMAND gets $count messages through;
#                    $work/lines has what counted, a line a function and file
#   serve BROKER     a broker that serves this host alone, from here on
#
# Counts of one build repeat exactly (through a broker almost).

count=3200
command -v valgrind >/dev/null || { echo 'SKIP: no valgrind'; exit 77; }
work=$(mktemp -d)
served=
cleanup() {
	[ -z "$served" ] || kill "$served" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export MSG_BROKER_POLICY=never

# What was inlined from a header or another file has a line of its own, without
# an object, and counts.
each() {
	local function=$1 without=$2

	shift 2
	valgrind --tool=callgrind --collect-atstart=no \
		--toggle-collect="$function" \
		--callgrind-out-file="$work/out" "$@" >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; exit 1; }
	callgrind_annotate --auto=no --threshold=100 "$work/out" |
		sed -nE 's/^ *([0-9,]+) \([^)]*\) +([^ ]+:.*)$/\1 \2/p' |
		awk '{ gsub(",", "", $1); print }' |
		grep -vE "$without" >"$work/lines"
	awk -v n=$count '{ sum += $1 } END { printf "%.1f", sum / n }' \
		"$work/lines"
}

serve() {
	: >"$work/empty.conf"
	: >"$work/broker"
	"$1" --config "$work/empty.conf" --no-network \
		--socket "$work/broker.sock" 2>"$work/broker" &
	served=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q 'info: started:' "$work/broker" || break
		sleep 0.1
	done
	export MSG_BROKER_POLICY=require MSG_BROKER=$work/broker.sock
}
