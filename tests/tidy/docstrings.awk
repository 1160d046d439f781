# SPDX-License-Identifier: BSD-2-Clause
#
# docstrings.awk - every function marked MSG_API has a contract in front of it.
#
# The contract is the comment directly above; functions that follow each other
# without a blank line share one.  It says what the call does in a sentence,
# then Returns, Threads and Path.  "Returns" may be left out where nothing can
# fail: a result that is no int, or an int the first words describe ("The
# descriptor to poll ...").  Codes named after Returns exist in enum msg_error.

function complain(text) { print FILENAME ":" FNR ": " name ": " text }

function check(    purpose, returns, words, n, i) {
	if (comment == "") {
		complain("no contract above it")
		return
	}
	purpose = comment
	sub(/ (Returns|Threads)[ ,].*/, "", purpose)
	if (length(purpose) < 15 && comment !~ /Returns.*as msg_/)
		complain("says hardly what it does")
	if (tolower(comment) ~ /(to be written|placeholder|tbd|lorem|\?\?\?)/)
		complain("a placeholder, not a contract")
	if (comment !~ /Threads/)
		complain("does not say on which threads")
	if (comment !~ /Path/)
		complain("does not say what its path costs")
	if (comment ~ /Returns/) {
		returns = comment
		sub(/.*Returns/, "", returns)
		sub(/Threads.*/, "", returns)
		n = split(returns, words, /[^A-Z_]+/)
		for (i = 1; i <= n; i++)
			if (length(words[i]) > 3 && words[i] != "NULL" &&
				!("MSG_ERROR_" words[i] in codes) &&
				words[i] !~ /^MSG_/)
				complain(words[i] " is no code of enum msg_error")
	} else if (type ~ /^int$/ && comment !~ /^The /)
		complain("does not say what it returns")
}

FNR == NR && /^[\t ]*MSG_ERROR_[A-Z_]+ =/ {
	code = $1
	codes[code] = 1
}

# In a comment: gather its words.
inside || /^[\t ]*\/\*/ {
	if (!inside)
		comment = ""
	inside = 1
	line = $0
	if (line ~ /\*\//) {
		inside = 0
		sub(/\*\/.*/, "", line)
	}
	sub(/^[\t ]*\/?\*+ ?/, "", line)
	comment = comment (comment == "" ? "" : " ") line
	next
}

/^[\t ]*$/ { comment = ""; next }

/^MSG_API / { declaration = ""; gathering = 1 }
gathering {
	declaration = declaration " " $0
	if ($0 !~ /;/)
		next
	gathering = 0
	gsub(/[\t ]+/, " ", declaration)
	name = type = declaration
	sub(/ ?\(.*/, "", name)
	sub(/.*[ *]/, "", name)
	sub(/^ MSG_API (MSG_MUST_CHECK )?/, "", type)
	type = type ~ /^int / ? "int" : type ~ /^void / ? "void" : "other"
	check()
	total++
}

END { if (total == 0) print FILENAME ":1: no MSG_API function was found" }
