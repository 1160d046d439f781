/* SPDX-License-Identifier: BSD-2-Clause */
/* repairer_side.c - see repairer_side.h. */
#include "repairer_side.h"

#include <string.h>

#include "base/clock.h"
#include "check_main.h"
#include "virtual_clock.h"

#define TABLE_BYTE 0xee
#define FRONT_BYTE 0xf0

struct msg_repairer r;
msg_counter_t counters[MSG_COUNTER_COUNT];
uint64_t source_first;
uint8_t source_type;
struct receiver a, b;

static struct msg_link_domain *domain;
static struct msg_link *side;

/* ---- the source --------------------------------------------------------- */

static uint8_t payloads[HISTORY][PAYLOAD + TABLE];

static bool source_frame(
	void *context, uint64_t number, struct msg_repairer_frame *frame)
{
	uint8_t *bytes = payloads[number % HISTORY];

	ck_assert_ptr_eq(context, payloads);
	ck_assert_uint_lt(number, r.repair.next);
	if (number < source_first)
		return false;
	memset(bytes, (int)(number % 251), PAYLOAD);
	memset(bytes + PAYLOAD, TABLE_BYTE, TABLE);
	*frame = (struct msg_repairer_frame){
		.sequence = FIRST_SEQUENCE + number,
		.type = source_type,
		.iov_count = 1,
		.iov[0] = {bytes, PAYLOAD},
	};
	if (source_type == MSG_FRAME_FRAGMENT) {
		frame->front_bytes = MSG_FRAGMENT_HEADER_BYTES;
		memset(frame->front, FRONT_BYTE, MSG_FRAGMENT_HEADER_BYTES);
	} else if (source_type == MSG_FRAME_PACKED) {
		frame->iov[frame->iov_count++] =
			(struct iovec){bytes + PAYLOAD, TABLE};
	}
	return true;
}

static uint64_t source_sequence(void *context, uint64_t number)
{
	(void)context;
	return FIRST_SEQUENCE + number;
}

static uint64_t source_back(void *context, uint64_t messages)
{
	(void)context;
	return messages < r.repair.next - source_first
		       ? r.repair.next - messages
		       : source_first;
}

/* ---- receivers ---------------------------------------------------------- */

static void open_receiver(struct receiver *to)
{
	memset(to, 0, sizeof *to);
	to->link = memory_link_open(domain, to->buffers, sizeof to->buffers,
		BUFFERS, 64);
	memory_link_join(to->link, 1, MSG_LINK_JOIN_RECEIVE);
	to->reach.bytes =
		(uint8_t)to->link->ops->name(to->link, to->reach.data);
	ck_assert_int_eq(to->link->ops->reach(to->link, r.reach.data,
				 r.reach.bytes, &to->handle),
		0);
	for (uint32_t i = 0; i < BUFFERS; i++)
		ck_assert_int_eq(to->link->ops->post(to->link, to->buffers[i],
					 FRAME_BYTES, i, false),
			0);
}

static void look_at(struct receiver *to, const uint8_t *data, uint32_t bytes)
{
	ck_assert_int_eq(msg_frame_read(data, bytes, &to->frame), MSG_FRAME_OK);
	ck_assert_uint_eq(to->frame.bytes, bytes);
	ck_assert_uint_eq(to->frame.tag, TAG);
	ck_assert_uint_eq(to->frame.publisher, PUBLISHER);
	to->body = data + MSG_FRAME_HEADER_BYTES;
	if (to->frame.type == MSG_FRAME_PROBE) {
		ck_assert(msg_probe_read(&to->probe, &to->frame, to->body));
		ck_assert_uint_eq(to->probe.incarnation, INCARNATION);
		to->flags |= to->probe.flags;
		to->probes++;
		return;
	}
	ck_assert_uint_eq(
		to->frame.flags, MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR);
	to->frames++;
}

/* What came since the last look; the bytes stay until the next one. */
void look(struct receiver *to)
{
	struct msg_link_event events[32];
	int n;

	to->frames = to->probes = to->flags = 0;
	while ((n = to->link->ops->poll(to->link, events, 32)) > 0)
		for (int i = 0; i < n; i++) {
			if (events[i].type != MSG_LINK_RECEIVED)
				continue;
			look_at(to, to->buffers[events[i].token],
				events[i].bytes);
			to->link->ops->post(to->link,
				to->buffers[events[i].token], FRAME_BYTES,
				events[i].token, false);
		}
}

void put(struct receiver *from, uint32_t bytes)
{
	struct msg_link_send send = {
		.iov[0] = {from->report, bytes},
		.iov_count = 1,
		.group = from->handle,
	};

	ck_assert_int_eq(from->link->ops->send(from->link, &send), 0);
	/* On a wire that lags it leaves when it is looked at. */
	for (int i = 0; i < 100; i++)
		from->link->ops->poll(from->link, NULL, 0);
}

/* That of somebody who has heard all that was sent. */
struct msg_report report_of(const struct receiver *from, uint64_t name)
{
	return (struct msg_report){
		.receiver = name,
		.heard = (uint32_t)r.repair.next,
		.position = (uint32_t)r.repair.next,
		.window = 64,
		.reach = from->reach,
	};
}

void say(struct receiver *from, const struct msg_report *report)
{
	put(from, msg_report_write(from->report, report, TAG, PUBLISHER));
}

/* Frames `first` to `last` are missing. */
struct msg_report misses(
	const struct receiver *from, uint64_t name, uint32_t first, uint32_t last)
{
	struct msg_report report = report_of(from, name);

	report.position = report.base = first;
	report.count = (uint16_t)(last + 1 - first);
	for (uint32_t i = 0; i < report.count; i++)
		report.missing[i / 8] |= (uint8_t)(1u << i % 8);
	return report;
}

void turn(void)
{
	msg_repairer_enter(&r);
	ck_assert_int_ge(msg_repairer_turn(&r, msg_clock_ns()), 0);
	msg_repairer_leave(&r);
}

void ask(struct receiver *from, uint64_t name, uint32_t first, uint32_t last)
{
	struct msg_report report = misses(from, name, first, last);

	say(from, &report);
	turn();
}

/* ---- opening ------------------------------------------------------------ */

void open_all(
	const struct memory_wire_options *wire, enum msg_flow_policy flow)
{
	struct msg_repairer_options options = {
		.source = {source_frame, source_sequence, source_back, payloads},
		.incarnation = INCARNATION,
		.tag = TAG,
		.publisher = PUBLISHER,
		.frame_bytes = FRAME_BYTES,
		.receive_bytes = FRAME_BYTES,
		.history = HISTORY,
		.heartbeat_ms = 100,
		.rtt_ns = RTT_NS,
		.flow = flow,
		.flow_count = 1,
		.give_up_ns = MSG_NS_PER_S,
		.counters = counters,
	};
	struct msg_link_options link = {.memory = payloads,
		.memory_bytes = sizeof payloads};
	char text[MSG_LINK_TEXT_BYTES];

	source_first = 0;
	source_type = MSG_FRAME_SINGLE;
	memset(counters, 0, sizeof counters);
	memory_wire_reset(NULL);
	domain = memory_domain_open(FRAME_BYTES);
	ck_assert_int_eq(msg_repairer_open(&r, &options), 0);
	msg_repairer_link_options(&r, &link);
	ck_assert_int_eq(domain->ops->link_open(domain, &link, &side, text), 0);
	ck_assert_int_eq(
		msg_repairer_start(&r, side,
			memory_link_join(side, 1, MSG_LINK_JOIN_SEND)),
		0);
	open_receiver(&a);
	open_receiver(&b);
	memory_wire_reset(wire);
}

void close_all(void)
{
	side->ops->close(side);
	a.link->ops->close(a.link);
	b.link->ops->close(b.link);
	msg_repairer_close(&r);
	domain->ops->close(domain);
	ck_assert_uint_eq(memory_wire_counts.links, 0);
}

/* So many frames leave, too large to be sent again in place of a probe. */
void send_frames(uint32_t count)
{
	msg_repairer_enter(&r);
	while (count-- > 0)
		msg_repairer_sent(&r, FRAME_BYTES);
	msg_repairer_leave(&r);
}

/* What the first probes say is known to all; then nothing is due. */
void begin(uint32_t frames)
{
	send_frames(frames);
	for (int i = 0; i < 400; i++) {
		turn();
		virtual_clock_pass(MSG_NS_PER_MS);
	}
	look(&a);
	look(&b);
}

uint64_t counted(int index)
{
	return msg_counter_get(&counters[index]);
}

/* ---- what comes --------------------------------------------------------- */

void check_repair(const struct receiver *to, uint32_t number, uint32_t serial,
	uint32_t front, uint32_t table)
{
	uint8_t wanted[PAYLOAD];

	memset(wanted, (int)(number % 251), sizeof wanted);
	ck_assert_uint_eq(to->frames, 1);
	ck_assert_uint_eq(to->frame.type, source_type);
	ck_assert_uint_eq(to->frame.transmission, number);
	ck_assert_uint_eq(to->frame.sequence,
		(uint64_t)serial << 32 | (uint32_t)(FIRST_SEQUENCE + number));
	ck_assert_uint_eq(to->frame.bytes,
		MSG_FRAME_HEADER_BYTES + front + PAYLOAD + table);
	for (uint32_t i = 0; i < front; i++)
		ck_assert_uint_eq(to->body[i], FRONT_BYTE);
	ck_assert_mem_eq(to->body + front, wanted, PAYLOAD);
	for (uint32_t i = 0; i < table; i++)
		ck_assert_uint_eq(to->body[front + PAYLOAD + i], TABLE_BYTE);
}
