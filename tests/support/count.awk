# SPDX-License-Identifier: BSD-2-Clause
#
# count.awk - the numbers of one ctest run, out of its JUnit file.
#
#   awk -v phase=NAME -v reasons=FILE -f count.awk junit.xml
#
# Prints "PASSED FAILED SKIPPED" and appends a line for each skip and each
# failure to FILE.  A program that ends with "N run, N failed, N skipped" (or
# "N passed, ...") counts as that many, any other as one.  A test that did not run for any reason but
# its own exit status 77 has failed.

function text(line) {
	sub(/^[\t ]*<system-out>/, "", line)
	gsub(/<[^>]*>/, "", line)
	gsub(/&lt;/, "<", line)
	gsub(/&gt;/, ">", line)
	gsub(/&quot;/, "\"", line)
	gsub(/&apos;/, "'", line)
	gsub(/&amp;/, "\\&", line)
	return line
}

function attribute(line, key) {
	if (!match(line, " " key "=\"[^\"]*\""))
		return ""
	return substr(line, RSTART + length(key) + 3,
		RLENGTH - length(key) - 4)
}

function note(kind, why) {
	print kind " " phase " " name (why == "" ? "" : ": " why) >> reasons
}

/<testcase / {
	name = attribute($0, "name")
	status = attribute($0, "status")
	own_skip = 0
	cases = bad = stated = skips = 0
	next
}

/<skipped message="SKIP_RETURN_CODE=/ { own_skip = 1 }

{
	line = text($0)
	if (line ~ /^SKIP/) {
		skips++
		sub(/^SKIP[: ]*/, "", line)
		list[skips] = line
	} else if (line ~ /^[0-9]+ run, [0-9]+ failed, [0-9]+ skipped$/) {
		split(line, word, " ")
		cases += word[1]
		bad += word[3]
		stated += word[5]
	} else if (line ~ /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/) {
		split(line, word, " ")
		cases += word[1] + word[3] + word[5]
		bad += word[3]
		stated += word[5]
	}
}

/<\/testcase>/ {
	for (i = 1; i <= skips; i++)
		note("skipped", list[i])
	for (; skips < stated; skips++)
		note("skipped", "a case of it, without a reason")
	skipped += skips
	if (own_skip && skips == 0) {
		note("skipped", "it gave no reason")
		skipped++
	}
	if (status == "fail" || (status == "notrun" && !own_skip)) {
		note("FAILED", status == "notrun" ? "it did not run" : "")
		failed += bad > 0 ? bad : 1
		passed += cases > bad + skips ? cases - bad - skips : 0
	} else if (status == "disabled") {
		note("skipped", "disabled in its CMakeLists.txt")
		skipped++
	} else if (!own_skip) {
		passed += cases > 0 ? cases - skips : 1
	}
}

END { print passed + 0, failed + 0, skipped + 0 }
