-- SPDX-License-Identifier: BSD-2-Clause
--
-- msg.lua - frames of libmsg in Wireshark and tshark; the wire is described in
-- proto/README.md, and shortly in msg_protocol(7).
--
--   tshark -X lua_script:msg.lua -r file.pcap
--   or a copy in the folder of personal plug-ins
--
-- Frames are found by their form, whatever the port: under UDP, and under RoCEv2
-- as the payload of an UD send.  What is not well formed is said to be so, and
-- shown as far as it goes: a capture may hold anything.

local msg = Proto("msg", "libmsg")

local types = {
	[1] = "SINGLE", [2] = "PACKED", [3] = "FRAGMENT", [4] = "ANNOUNCE",
	[6] = "PROBE", [7] = "REPORT", [8] = "LARGE", [9] = "SHELF",
	[12] = "QUESTION", [13] = "ANSWER",
}
local HEADER = 24
local FRAGMENT_HEADER = 8
local PROBE_BODY, REPORT_BODY, LARGE_BODY, SHELF_BODY = 72, 72, 72, 40
local PACK_MAX = 1024
local MESSAGE_MAX = 16 * 1024 * 1024
local LARGE_MAX = 2 ^ 30
local QUESTION_MIN, QUESTION_MAX = 256, 1024
local SCHEMA_MAX = 65536
local SHOWN_MAX = 64 -- Messages of a pack that are lines of their own.

local f = {
	version = ProtoField.uint8("msg.version", "Version", base.DEC, nil, 0x0f),
	type = ProtoField.uint8("msg.type", "Type", base.DEC, types, 0xf0),
	flags = ProtoField.uint8("msg.flags", "Flags", base.HEX),
	reliable = ProtoField.bool("msg.flags.reliable", "Reliable", 8, nil, 1),
	repair = ProtoField.bool("msg.flags.repair", "Repair", 8, nil, 2),
	length = ProtoField.uint16("msg.length", "Length"),
	tag = ProtoField.uint32("msg.tag", "Tag", base.HEX),
	publisher = ProtoField.uint32("msg.publisher", "Publisher", base.HEX),
	transmission = ProtoField.uint32("msg.transmission", "Transmission"),
	sequence = ProtoField.uint64("msg.sequence", "Sequence"),
	sequence_low = ProtoField.uint32("msg.sequence_low", "Sequence, low half"),
	serial = ProtoField.uint32("msg.serial", "Serial of the repair"),
	count = ProtoField.uint16("msg.count", "Messages"),
	data = ProtoField.bytes("msg.data", "Message"),
	total = ProtoField.uint32("msg.fragment.total", "Bytes of the message"),
	offset = ProtoField.uint32("msg.fragment.offset", "Offset"),
	part = ProtoField.bytes("msg.fragment.data", "Part"),
	topic = ProtoField.string("msg.announce.topic", "Topic"),
	incarnation = ProtoField.uint64("msg.incarnation", "Incarnation", base.HEX),
	next = ProtoField.uint64("msg.announce.next_sequence", "Next sequence"),
	bytes_max = ProtoField.uint32("msg.announce.message_bytes_max",
		"Largest message"),
	frame_bytes = ProtoField.uint32("msg.announce.frame_bytes", "Largest frame"),
	period = ProtoField.uint32("msg.period_ms", "Period, ms"),
	host = ProtoField.string("msg.announce.host", "Host"),
	program = ProtoField.string("msg.announce.program", "Program"),
	pid = ProtoField.uint32("msg.announce.pid", "Process"),
	uid = ProtoField.uint32("msg.announce.uid", "User"),
	closing = ProtoField.bool("msg.announce.closing", "Closing"),
	offers = ProtoField.bool("msg.announce.reliable", "Reliable"),
	stamp = ProtoField.uint64("msg.stamp", "Stamp"),
	first_sequence = ProtoField.uint64("msg.probe.first_sequence",
		"Sequence of the first frame"),
	first = ProtoField.uint32("msg.probe.first", "First frame that can be had"),
	last_serial = ProtoField.uint32("msg.probe.serial",
		"Serial of the last repair"),
	probe_flags = ProtoField.uint8("msg.probe.flags", "Flags", base.HEX),
	receiver = ProtoField.uint64("msg.report.receiver", "Receiver", base.HEX),
	position = ProtoField.uint32("msg.report.position", "Position"),
	window = ProtoField.uint32("msg.report.window", "Window"),
	base = ProtoField.uint32("msg.report.base", "Frame of bit 0"),
	report_flags = ProtoField.uint8("msg.report.flags", "Flags", base.HEX),
	missing_count = ProtoField.uint16("msg.report.bits", "Bits"),
	history = ProtoField.uint32("msg.report.history", "History wished for"),
	rtt = ProtoField.uint32("msg.report.rtt_ns", "Round trip, ns"),
	missing = ProtoField.uint32("msg.report.missing", "Missing frame"),
	large_total = ProtoField.uint64("msg.large.total", "Bytes of the message"),
	large_address = ProtoField.uint64("msg.large.address",
		"Address of its first byte", base.HEX),
	large_key = ProtoField.uint64("msg.large.key", "Key of that memory",
		base.HEX),
	large_serial = ProtoField.uint64("msg.large.serial",
		"Serial of the message"),
	token = ProtoField.uint64("msg.token", "Token of who asks", base.HEX),
	schema_total = ProtoField.uint32("msg.answer.total",
		"Bytes of the schema"),
	schema_part = ProtoField.bytes("msg.answer.data", "Part of it"),
	connect = ProtoField.bytes("msg.announce.connect", "Where to connect to"),
	reach = ProtoField.bytes("msg.announce.reach", "Where reports go"),
	type_name = ProtoField.string("msg.announce.type_name", "Type"),
	encoding = ProtoField.uint32("msg.announce.type_encoding", "Encoding",
		base.DEC, { [1] = "protobuf", [2] = "cstruct" }),
	type_hash = ProtoField.uint64("msg.announce.type_hash", "Hash of the type",
		base.HEX),
	type_reach = ProtoField.bytes("msg.announce.type_reach",
		"Whom to ask for the schema"),
	address = ProtoField.bytes("msg.address", "Address"),
}
msg.fields = {}
for _, field in pairs(f) do
	msg.fields[#msg.fields + 1] = field
end

local bad = ProtoExpert.new("msg.malformed", "Malformed",
	expert.group.MALFORMED, expert.severity.ERROR)
msg.experts = { bad }

-- ---- the body, by type ------------------------------------------------------------

-- Each gets the body, its tree and the frame's header, adds what is there, and
-- returns words for the column, and what is wrong if something is.
local bodies = {}

bodies[1] = function(body, tree)
	if body:len() > 0 then
		tree:add(f.data, body)
	end
	return body:len() .. " bytes"
end

bodies[2] = function(body, tree)
	if body:len() < 2 then
		return "", "no table"
	end
	local count = body(body:len() - 2, 2):le_uint()
	local at, table_at = 0, body:len() - 2 - 2 * count
	tree:add_le(f.count, body(body:len() - 2, 2))
	if count < 2 or count > PACK_MAX then
		return count .. " messages", "count out of range"
	end
	if table_at < 0 then
		return count .. " messages", "table longer than the body"
	end
	for i = 0, count - 1 do
		local bytes = body(table_at + 2 * i, 2):le_uint()
		if at + bytes > table_at then
			return count .. " messages", "lengths beyond the table"
		end
		if bytes > 0 and i < SHOWN_MAX then
			tree:add(f.data, body(at, bytes))
		end
		at = at + math.floor((bytes + 7) / 8) * 8
	end
	if at ~= table_at then
		return count .. " messages", "lengths that do not add up"
	end
	return count .. " messages"
end

bodies[3] = function(body, tree)
	if body:len() < FRAGMENT_HEADER then
		return "", "no fragment header"
	end
	local total, offset = body(0, 4):le_uint(), body(4, 4):le_uint()
	local part = body:len() - FRAGMENT_HEADER
	local words = string.format("%d to %d of %d bytes",
		offset, offset + part, total)
	tree:add_le(f.total, body(0, 4))
	tree:add_le(f.offset, body(4, 4))
	if part == 0 then
		return words, "a part of no bytes"
	end
	tree:add(f.part, body(FRAGMENT_HEADER, part))
	if total > MESSAGE_MAX or offset + part > total or part == total then
		return words, "a part that cannot be"
	end
	return words
end

-- A varint at `at`: value as UInt64, bytes; nil when it does not end.
local function varint(body, at)
	local value, bits = UInt64(0), 0
	for i = at, math.min(at + 9, body:len() - 1) do
		local byte = body(i, 1):uint()
		value = value + UInt64(byte % 128):lshift(bits)
		bits = bits + 7
		if byte < 128 then
			return value, i + 1 - at
		end
	end
	return nil
end

local announced = {
	[1] = f.topic, [2] = f.incarnation, [3] = f.next, [4] = f.bytes_max,
	[5] = f.frame_bytes, [6] = f.period, [7] = f.host, [8] = f.program,
	[9] = f.pid, [10] = f.uid, [11] = f.closing, [12] = f.offers,
	[13] = f.connect, [14] = f.reach, [20] = f.type_name, [21] = f.encoding,
	[22] = f.type_hash, [23] = f.type_reach,
}
local of_bytes = { [1] = true, [7] = true, [8] = true, [13] = true, [14] = true,
	[20] = true, [23] = true }
local of_fixed64 = { [2] = true, [22] = true }
local wide = { [3] = true }

-- The numbers that are required, and what they may be.
local ranges = {
	[4] = { 1, MESSAGE_MAX }, [5] = { 256, 65507 }, [6] = { 10, 60000 },
}

-- One field of the protobuf message: where the next one begins; nil when it is
-- cut short.  `seen` gets the topic and those that have a range.
local function announced_field(body, tree, at, seen)
	local key, key_bytes = varint(body, at)
	if not key then
		return nil
	end
	local number, kind = key:tonumber() >= 8 and math.floor(key:tonumber() / 8) or 0,
		key:tonumber() % 8
	local field = announced[number]
	at = at + key_bytes
	if kind == 0 then
		local value, bytes = varint(body, at)
		if not value then
			return nil
		end
		if field and wide[number] then
			tree:add(field, body(at, bytes), value)
		elseif field == f.closing or field == f.offers then
			tree:add(field, body(at, bytes), value:tonumber() ~= 0)
		elseif field and number >= 4 and not of_bytes[number] and
			not of_fixed64[number] then
			tree:add(field, body(at, bytes), value:lower())
		end
		seen[number] = value:tonumber()
		return at + bytes
	elseif kind == 1 or kind == 5 then
		local bytes = kind == 1 and 8 or 4
		if at + bytes > body:len() then
			return nil
		end
		if of_fixed64[number] and kind == 1 then
			tree:add_le(field, body(at, bytes))
			seen[number] = body(at, 4):le_uint()
		end
		return at + bytes
	elseif kind == 2 then
		local length, bytes = varint(body, at)
		if not length or length:higher() ~= 0 or
			at + bytes + length:lower() > body:len() then
			return nil
		end
		if of_bytes[number] and length:lower() > 0 then
			local text = body(at + bytes, length:lower())
			tree:add(field, text)
			seen[number] = text:string()
		end
		return at + bytes + length:lower()
	end
	return nil
end

-- Whether it is a topic: no token is empty, or has what patterns have.
local function is_topic(text)
	if not text or #text > 255 or text:find("[%z\1-\32\127*>]") then
		return false
	end
	return ("." .. text .. "."):find("..", 1, true) == nil
end

bodies[4] = function(body, tree, header)
	local at, seen = 0, {}
	while at < body:len() do
		at = announced_field(body, tree, at, seen)
		if not at then
			return seen[1] or "", "cut short"
		end
	end
	local words = (seen[1] or "") .. (seen[11] == 1 and " CLOSING" or "")
	if not is_topic(seen[1]) then
		return words, "no topic"
	end
	if seen[2] ~= header(8, 4):le_uint() then
		return words, "of another publisher"
	end
	for number, range in pairs(ranges) do
		if not seen[number] or seen[number] < range[1] or
			seen[number] > range[2] then
			return words, "a number out of its range"
		end
	end
	return words
end

-- Flags by name, lowest first.
local function named(flags, names)
	local words = {}
	for i, name in ipairs(names) do
		if math.floor(flags / 2 ^ (i - 1)) % 2 == 1 then
			words[#words + 1] = name
		end
	end
	return #words > 0 and " " .. table.concat(words, " ") or ""
end

-- An address of `bytes`, and whether what is behind it is zero, as it must be.
local function address(body, tree, bytes, from)
	from = from or 40
	if bytes > 32 then
		return false
	end
	if bytes > 0 then
		tree:add(f.address, body(from, bytes))
	end
	for i = from + bytes, from + 31 do
		if body(i, 1):uint() ~= 0 then
			return false
		end
	end
	return true
end

local probe_flags = { "ASK", "FLOW", "JOIN", "CROWD", "CLOSING" }
local report_flags = { "JOIN", "TAGGED", "LEAVING", "8", "READING" }

bodies[6] = function(body, tree, header)
	if body:len() ~= PROBE_BODY then
		return "", "not the size of a probe"
	end
	local first, period = body(24, 4):le_uint(), body(32, 2):le_uint()
	local flags = body(34, 1):uint()
	local words = "from frame " .. first .. named(flags, probe_flags)
	local frames = (header(12, 4):le_uint() - first) % 2 ^ 32
	local messages = header(16, 8):le_uint64() - body(16, 8):le_uint64()
	tree:add_le(f.incarnation, body(0, 8))
	tree:add_le(f.stamp, body(8, 8))
	tree:add_le(f.first_sequence, body(16, 8))
	tree:add_le(f.first, body(24, 4))
	tree:add_le(f.last_serial, body(28, 4))
	tree:add_le(f.period, body(32, 2))
	tree:add(f.probe_flags, body(34, 1)):append_text(named(flags, probe_flags))
	if not address(body, tree, body(35, 1):uint()) then
		return words, "an address that cannot be"
	end
	if body(0, 4):le_uint() ~= header(8, 4):le_uint() then
		return words, "of another publisher"
	end
	if flags > 31 or period < 10 or period > 60000 or
		body(36, 4):le_uint() ~= 0 then
		return words, "a number out of its range"
	end
	if frames >= 2 ^ 31 or messages > UInt64.fromhex(
		string.format("%x", frames * PACK_MAX)) then
		return words, "counts that cannot be"
	end
	return words
end

bodies[7] = function(body, tree, header)
	if body:len() < REPORT_BODY then
		return "", "shorter than a report"
	end
	local bits, flags = body(28, 2):le_uint(), body(30, 1):uint()
	local base_frame, missing = body(24, 4):le_uint(), 0
	tree:add_le(f.receiver, body(0, 8))
	tree:add_le(f.stamp, body(8, 8))
	tree:add_le(f.position, body(16, 4))
	tree:add_le(f.window, body(20, 4))
	tree:add_le(f.base, body(24, 4))
	tree:add_le(f.missing_count, body(28, 2))
	tree:add(f.report_flags, body(30, 1)):append_text(
		named(flags, report_flags))
	tree:add_le(f.history, body(32, 4))
	tree:add_le(f.rtt, body(36, 4))
	if bits > PACK_MAX or body:len() ~= REPORT_BODY + math.floor((bits + 7) / 8) then
		return "", "not the size of its bits"
	end
	for bit = 0, math.floor((bits + 7) / 8) * 8 - 1 do
		local byte = body(REPORT_BODY + math.floor(bit / 8), 1)
		if math.floor(byte:uint() / 2 ^ (bit % 8)) % 2 == 1 then
			if bit >= bits then
				return "", "bits beyond its count"
			end
			missing = missing + 1
			if missing <= SHOWN_MAX then
				tree:add(f.missing, byte, (base_frame + bit) % 2 ^ 32)
			end
		end
	end
	local words = missing .. " missing" .. named(flags, report_flags)
	if not address(body, tree, body(31, 1):uint()) then
		return words, "an address that cannot be"
	end
	if flags > 31 or math.floor(flags / 8) % 2 == 1 or
		header(20, 4):le_uint() ~= 0 then
		return words, "a number out of its range"
	end
	return words
end

bodies[8] = function(body, tree)
	if body:len() ~= LARGE_BODY then
		return "", "not the size of a message to be read"
	end
	local total, at = body(0, 8):le_uint64(), body(8, 8):le_uint64()
	local words = tostring(total) .. " bytes to be read"
	tree:add_le(f.large_total, body(0, 8))
	tree:add_le(f.large_address, body(8, 8))
	tree:add_le(f.large_key, body(16, 8))
	tree:add_le(f.large_serial, body(24, 8))
	local bytes = body(32, 1):uint()
	if bytes == 0 or not address(body, tree, bytes) then
		return words, "an address that cannot be"
	end
	-- The end is beyond 2^64 when it is below the beginning.
	if total > UInt64(LARGE_MAX) or at < UInt64(64) or at + total < at or
		body(24, 8):le_uint64() == UInt64(0) or
		body(33, 3):le_uint() ~= 0 or body(36, 4):le_uint() ~= 0 then
		return words, "a number out of its range"
	end
	return words
end

bodies[9] = function(body, tree, header)
	if body:len() ~= SHELF_BODY then
		return "", "not the size of a shelf"
	end
	local bytes = body(0, 1):uint()
	if bytes == 0 or not address(body, tree, bytes, 8) then
		return "", "an address that cannot be"
	end
	if body(1, 3):le_uint() ~= 0 or body(4, 4):le_uint() ~= 0 or
		header(12, 4):le_uint() ~= 0 or
		header(16, 8):le_uint64() ~= UInt64(0) then
		return "", "a number out of its range"
	end
	return "history to be read"
end

bodies[12] = function(body, tree)
	local length = HEADER + body:len()
	if length < QUESTION_MIN or length > QUESTION_MAX then
		return "", "not the size of a question"
	end
	local bytes = body(8, 1):uint()
	tree:add_le(f.token, body(0, 8))
	if bytes == 0 or bytes > 32 or body(9, 3):le_uint() ~= 0 or
		body(12, 4):le_uint() ~= 0 then
		return "", "an address that cannot be"
	end
	tree:add(f.address, body(16, bytes))
	for i = 16 + bytes, body:len() - 1 do
		if body(i, 1):uint() ~= 0 then
			return "", "not zero to its end"
		end
	end
	return "for a schema"
end

bodies[13] = function(body, tree, header)
	if body:len() <= 16 or HEADER + body:len() > QUESTION_MAX then
		return "", "not the size of an answer"
	end
	local total, offset = body(8, 4):le_uint(), header(12, 4):le_uint()
	local part = body:len() - 16
	local words = string.format("%d to %d of %d bytes of a schema",
		offset, offset + part, total)
	tree:add_le(f.token, body(0, 8))
	tree:add_le(f.schema_total, body(8, 4))
	tree:add(f.schema_part, body(16, part))
	if total == 0 or total > SCHEMA_MAX or offset + part > total or
		body(12, 4):le_uint() ~= 0 then
		return words, "a part that cannot be"
	end
	return words
end

-- ---- a frame -----------------------------------------------------------------------

-- Whether the bytes are a header of version 1: what a receiver checks, in its order.
local function is_frame(tvb)
	if tvb:len() < HEADER then
		return false
	end
	local first, flags = tvb(0, 1):uint(), tvb(1, 1):uint()
	local kind, length = math.floor(first / 16), tvb(2, 2):le_uint()
	if first % 16 ~= 1 or not types[kind] then
		return false
	end
	local numbered = flags == 1 or flags == 3
	if kind == 8 and not numbered or
		kind ~= 8 and flags ~= 0 and not (kind <= 3 and numbered) then
		return false
	end
	-- Larger frames come by connections, and do not say how large.
	if length == 0 then
		return tvb:reported_len() > 65507
	end
	return length >= HEADER and length <= 65507 and
		length <= tvb:reported_len()
end

-- One frame: its length, and words for the column.
local function dissect_frame(tvb, root)
	local said = tvb(2, 2):le_uint()
	local length = said == 0 and tvb:len() or math.min(said, tvb:len())
	local kind, flags = math.floor(tvb(0, 1):uint() / 16), tvb(1, 1):uint()
	local tree = root:add(msg, tvb(0, length))

	tree:add(f.version, tvb(0, 1))
	tree:add(f.type, tvb(0, 1))
	local flag_tree = tree:add(f.flags, tvb(1, 1))
	flag_tree:add(f.reliable, tvb(1, 1))
	flag_tree:add(f.repair, tvb(1, 1))
	tree:add_le(f.length, tvb(2, 2))
	tree:add_le(f.tag, tvb(4, 4))
	tree:add_le(f.publisher, tvb(8, 4))
	tree:add_le(f.transmission, tvb(12, 4))
	local number
	if flags == 3 then
		tree:add_le(f.sequence_low, tvb(16, 4))
		tree:add_le(f.serial, tvb(20, 4))
		number = tostring(tvb(16, 4):le_uint())
	else
		tree:add_le(f.sequence, tvb(16, 8))
		number = tostring(tvb(16, 8):le_uint64())
	end

	local words, wrong = "", nil
	if length > HEADER then
		words, wrong = bodies[kind](
			tvb(HEADER, length - HEADER), tree, tvb(0, HEADER))
	elseif kind ~= 1 then
		wrong = "no body"
	end
	words = string.format("%s %08x #%s frame %d%s: %s", types[kind],
		tvb(8, 4):le_uint(), number, tvb(12, 4):le_uint(),
		flags == 3 and " REPAIR" or flags == 1 and " RELIABLE" or "", words)
	if wrong then
		tree:add_proto_expert_info(bad, wrong)
		words = words .. " [" .. wrong .. "]"
	end
	return length, words
end

-- Where the kernel cuts datagrams late (UDP_SEGMENT), a capture has several in
-- one: frames that follow each other.
function msg.dissector(tvb, pinfo, root)
	local at, count, words = 0, 0, nil
	while at < tvb:len() and is_frame(tvb(at):tvb()) do
		local length, said = dissect_frame(tvb(at):tvb(), root)
		at, count, words = at + length, count + 1, words or said
	end
	if count == 0 then
		return 0
	end
	pinfo.cols.protocol = "MSG"
	pinfo.cols.info = words ..
		(count > 1 and string.format(", and %d frames more", count - 1) or "")
	return at
end

local function guess(tvb, pinfo, root)
	return is_frame(tvb) and msg.dissector(tvb, pinfo, root) > 0
end
msg:register_heuristic("udp", guess)
-- Of RoCEv2: what is behind the headers of InfiniBand.
pcall(function() msg:register_heuristic("infiniband.payload", guess) end)
