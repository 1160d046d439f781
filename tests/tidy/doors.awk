# SPDX-License-Identifier: BSD-2-Clause
#
# doors.awk - reads the #include lines of the files given, prints a complaint
# for each that opens a door the wrong way; then "count N".
#
# A room may include itself, the rooms of `may`, the public headers, and the
# system's headers unless of_system() says less.  The table is the house plan
# of libmsg/README.md as a machine reads it.

BEGIN {
	may["api"] = "topic engine pool protocol link link/shm schema base"
	may["topic"] = "engine pool protocol link link/shm base"
	may["engine"] = "protocol pool link base"
	may["pool"] = "base"
	may["schema"] = "base"
	may["link"] = "base"
	may["link/fabric"] = "link base"
	may["link/shm"] = "link base"
	may["protocol"] = "base"
	may["base"] = ""
	# Everything of the library, and what the tool shows people with.
	may["broker"] = "api topic engine pool protocol link link/shm base tool"

	# Single headers a room may open besides.
	also["topic"] = "control.pb-c.h"
	also["link/shm"] = "broker.pb-c.h"
	also["link/fabric"] = "udmc.h fi_ext_udmc.h"
	also["examples"] = "quote.pb-c.h" # Made from quote.proto.
	also["base"] = "msg/msg.h" # The types of the log call-back.

	# Rooms without a floor plan: their own headers, and what is named here.
	flat["provider"] = "base"
	flat["tool"] = flat["exporter"] = flat["examples"] = flat["bindings"] = ""

	# protocol/ is pure: no input or output, no clock, no allocation.
	pure = "string.h stdint.h stdbool.h stddef.h assert.h stdalign.h " \
		"limits.h endian.h"
}

function holds(list, word) { return index(" " list " ", " " word " ") > 0 }

function exists(path,    line, found) {
	found = (getline line < path) >= 0
	close(path)
	return found
}

function room_of(path,    part) {
	if (path ~ /^libmsg\/link\/(fabric|shm)\//) {
		split(path, part, "/")
		return "link/" part[3]
	}
	split(path, part, "/")
	return part[1] == "libmsg" ? part[2] : part[1]
}

function of_system(room, header) {
	if (holds(also[room], header))
		return ""
	if (header ~ /^msg\//)
		return holds("protocol base provider", room) ? \
			room "/ knows nothing of the public API" : ""
	if (header ~ /^(rdma|infiniband)\//)
		return holds("link/fabric provider", room) ? "" : \
			"only link/fabric/ and provider/ speak to the fabric"
	if (header ~ /^(google|protobuf-c)\//)
		return holds("topic link/shm schema", room) || \
			FILENAME ~ /^bindings\/cxx\/msg\/protobuf_c\.hpp$/ ? "" : \
			"only topic/, link/shm/ and schema/ speak protobuf"
	if (room == "protocol" && !holds(pure, header))
		return "protocol/ is pure; of libc only " pure
	return ""
}

function of_ours(room, file, header,    target, beside) {
	if (holds(also[room], header))
		return ""
	target = header
	if (!sub(/\/[^\/]*$/, "", target))
		target = ""
	if (room in flat) {
		beside = file
		sub(/[^\/]*$/, header, beside)
		if (target == "" ? exists(beside) : holds(flat[room], target))
			return ""
		return room "/ stands on <msg/...> and headers of its own"
	}
	# The one header that a test brings for a room: see base/atomic.h.
	if (header == "explore_atomic.h" && room == "base")
		return ""
	if (target == "")
		return "name its room: \"room/" header "\""
	if (target != room && !holds(may[room], target))
		return room "/ may open " \
			(may[room] == "" ? "no other room" : may[room])
	return ""
}

/^[\t ]*#[\t ]*include[\t ]*[<"]/ {
	header = $0
	sub(/^[^<"]*/, "", header)
	system_one = substr(header, 1, 1) == "<"
	header = substr(header, 2)
	sub(/[>"].*/, "", header)
	count++
	room = room_of(FILENAME)
	why = system_one ? of_system(room, header) : \
		of_ours(room, FILENAME, header)
	if (why != "")
		print FILENAME ":" FNR ": " header ": " why
}

END { print "count " count + 0 }
