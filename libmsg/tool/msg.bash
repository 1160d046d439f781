# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# msg.bash - completion of `msg` for bash: subcommands, their options, topics that
# are announced right now, brokers.  Commands and options are what --help lists,
# so there is no second list of them.
#
# A topic may be called what it likes, also $(reboot): words are compared, not
# given to the shell to expand, and are quoted when they are inserted.
#
# Topics cost a look at the network: a second and a half at most, none at all
# where a broker knows them, and what was seen holds for five seconds.

_msg_words() { # the words of a kind, from what "$@" prints
	timeout 2 "$@" 2>/dev/null
}

_msg_topics() {
	local now=$SECONDS
	if [ -z "${_msg_topics_at-}" ] || [ $((now - _msg_topics_at)) -ge 5 ]; then
		_msg_topics_seen=$(_msg_words "$1" list -q --names --wait 0.2)
		[ -n "$_msg_topics_seen" ] ||
			_msg_topics_seen=$(_msg_words "$1" list -q --names --wait 1.1)
		_msg_topics_at=$now
	fi
	printf '%s\n' "$_msg_topics_seen"
}

_msg_brokers() {
	_msg_words "$1" list -q --brokers | awk 'NR > 1 { print $1 }'
}

# What an option wants, by the word --help has for it.
_msg_values() { # PROGRAM COMMAND OPTION
	local value
	value=$(_msg_words "$1" "$2" --help |
		sed -n "s/^ *\\(-[a-zA-Z], \\)\\{0,1\\} *$3 \\([^ ]*\\) .*/\\2/p" |
		head -n 1)
	case $value in
	verbs\|udp | ping\|pong | none\|zstd) printf '%s\n' "${value//|/$'\n'}" ;;
	NAME\|IP) ls /sys/class/net ;;
	WHAT) printf '%s\n' best-effort reliable ;;
	WHOM) printf '%s\n' none min tagged ;;
	KEY) printf '%s\n' topic rate lag held lost ;;
	FILE) compgen -f -- "$cur" ;;
	*) return 1 ;;
	esac
}

_msg() {
	local program=$1 cur=${COMP_WORDS[COMP_CWORD]} command='' words='' word i
	local before=${COMP_WORDS[COMP_CWORD - 1]}

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	COMPREPLY=()
	if [ -z "$command" ]; then
		words=$(_msg_words "$program" --help |
			sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
	elif [[ $before == --* && $cur != -* ]] &&
		words=$(_msg_values "$program" "$command" "$before"); then
		:
	elif [[ $cur == -* ]]; then
		words=$(_msg_words "$program" "$command" --help |
			sed -n 's/^ \{2,\}\(-[a-zA-Z],\)\{0,1\} *\(--[a-z-]*\).*/\2/p')
	else
		case $command in
		help) words=$(_msg_words "$program" --help |
			sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
			words+=$'\nrecipes' ;;
		bench) words=$'throughput\nlatency\nroundtrip' ;;
		broker) words=check-config ;;
		file) words=$'info\nrecover\n'$(compgen -f -- "$cur") ;;
		play) words=$(compgen -f -- "$cur") ;;
		info | top | graph) words=$(_msg_brokers "$program") ;;
		counters | version | doctor) ;;
		*) words=$(_msg_topics "$program") ;;
		esac
	fi
	while read -r word; do
		[[ $word != "$cur"* ]] ||
			COMPREPLY+=("$(printf '%q' "$word")")
	done <<<"$words"
}
complete -F _msg msg
