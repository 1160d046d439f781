# SPDX-License-Identifier: BSD-2-Clause
#
# docstrings_cxx.awk - every class of a C++ header, every public function in it and
# every inline function outside says in the comment directly above what it is for.
#
# What a class has for the language's sake needs no words: destructor, operators,
# what is deleted, and what takes another of its kind to copy or move.  So for
# constructors in a namespace's structs.  The body of a function is indented deeper
# than its head, and holds no `class`.

function complain(what) { print FILENAME ":" FNR ": " what ": no comment above it" }

FNR == 1 { commented = inside = depth = 0; public[0] = 0 }

# In a comment: whatever stands directly below has one.
inside || /^[\t ]*\/\*/ {
	inside = !/\*\//
	commented = 1
	next
}
/^[\t ]*$/ { commented = 0; next }
# Belongs to the line below.
/^[\t ]*(template <|\[\[)[^(]*$/ { next }

{ match($0, /^\t*/); indent = RLENGTH }

/^\t*class [a-z_]+( |$)/ && !/;$/ {
	if (!commented)
		complain($2)
	owner[indent + 1] = $2
	public[indent + 1] = 0
	commented = 0
	next
}
/^\t*(public|protected|private):/ {
	public[indent + 1] = /public/
	# A comment under the label is its own.
	commented = 0
	next
}
/^inline .*\(/ { total++ }
/^inline .*\(/ && !commented { complain($0) }
/^\t*};/ { public[indent + 1] = 0 }

public[indent] && /^\t+[A-Za-z_:\[~]/ && /\(/ && !/^\t*(if|for|while|return|throw|const_cast|static_cast|std::mem|using|friend|else|:)/ {
	name = $0
	sub(/\(.*/, "", name)
	sub(/.*[ *&\t]/, "", name)
	if (!commented && name !~ /^~/ && !/operator/ && !/= delete/ && !/&&other/ &&
		!/= default/) {
		complain(name)
	}
	total++
}
{ commented = 0 }

END { print "count " total + 0 }
