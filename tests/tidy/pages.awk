# SPDX-License-Identifier: BSD-2-Clause
#
# pages.awk - what manual pages in mdoc say of a C interface, a fact a line:
#
#   name FILE LINE WORD        a .Nm of its NAME section
#   call FILE LINE PROTOTYPE   a function of its SYNOPSIS, as C declares it
#   word FILE LINE WORD        any MSG_... constant or msg_... function in it
#   field FILE LINE WORD       a structure's field: what follows .Va
#   see FILE LINE PAGE SECTION a .Xr

FNR == 1 { section = "" }
/^\.\\"/ { next }
/^\.Sh / { section = substr($0, 5); next }

function fact(kind, text) { print kind, FILENAME, FNR, text }

function without_quotes(text) {
	gsub(/"/, "", text)
	return text
}

section == "NAME" && /^\.Nm / { fact("name", $2); next }

section == "SYNOPSIS" && /^\.Ft / { type = without_quotes(substr($0, 5)); next }
section == "SYNOPSIS" && /^\.Fo / { call = $2; arguments = ""; next }
section == "SYNOPSIS" && /^\.Fa / {
	arguments = arguments (arguments == "" ? "" : ", ") \
		without_quotes(substr($0, 5))
	next
}
section == "SYNOPSIS" && /^\.Fc/ {
	fact("call", type (type ~ /\*$/ ? "" : " ") call "(" arguments ");")
	next
}

/^\.Xr / { fact("see", $2 " " $3) }
/^\.(It )?Va / {
	for (i = $1 == ".It" ? 3 : 2; i <= NF; i++)
		if ($i ~ /^[a-z_]+$/ && $i !~ /^Ns$/)
			fact("field", $i)
}
# An environment variable is no constant.
/^\.Ev / || section == "ENVIRONMENT" { next }
{
	line = $0
	sub(/^\..*\.Ev .*/, "", line)
	while (match(line, /(MSG_[A-Z_]+|msg_[a-z_]+)/)) {
		word = substr(line, RSTART, RLENGTH)
		rest = substr(line, RSTART + RLENGTH)
		before = RSTART > 1 ? substr(line, RSTART - 1, 1) : ""
		# Not part of a path, a title or of another name.
		if (before !~ /[A-Za-z0-9_\/:]/ && $1 != ".Dt" && $1 != ".Nm")
			fact("word", word)
		line = rest
	}
}
