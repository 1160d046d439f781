/* SPDX-License-Identifier: BSD-2-Clause */
/* control_bodies.c - see control_bodies.h. */
#include "control_bodies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"

/* ---- one good message of each kind ------------------------------------- */

#define PART(member) sizeof(((struct msg_control *)0)->member)

const struct example examples[] = {
	{MSG_CONTROL_HELLO, "Hello", PART(hello), 0},
	{MSG_CONTROL_SUBSCRIBE, "Subscribe", PART(subscribe), 0},
	{MSG_CONTROL_PUBLISH, "Publish", PART(publish), 0},
	{MSG_CONTROL_MAPPED, "Mapped", 0, 0},
	{MSG_CONTROL_WATCH, "Watch", PART(watch), 0},
	{MSG_CONTROL_STATS, "Stats", 0, 0},
	{MSG_CONTROL_BYE, "Bye", PART(bye), 0},
	{MSG_CONTROL_WELCOME, "Welcome", PART(welcome), 1},
	{MSG_CONTROL_REFUSED, "Refused", PART(refused), 0},
	{MSG_CONTROL_SUBSCRIBED, "Subscribed", 0, 1},
	{MSG_CONTROL_PUBLISHING, "Publishing", PART(publishing), 3},
	{MSG_CONTROL_RING, "Ring", PART(ring), 4},
	{MSG_CONTROL_RING_GONE, "RingGone", PART(ring_gone), 0},
	{MSG_CONTROL_READER, "Reader", PART(reader), 1},
	{MSG_CONTROL_READER_GONE, "ReaderGone", PART(reader_gone), 0},
	{MSG_CONTROL_LISTING, "Listing", PART(listing), 0},
	{MSG_CONTROL_STATS_SEGMENT, "StatsSegment", PART(stats_segment), 1},
	{MSG_CONTROL_STARTED, "Started", 0, 0},
	{MSG_CONTROL_UNDER_WAY, "UnderWay", 0, 0},
	{MSG_CONTROL_SCHEMA, "Schema", PART(schema), 0},
	{MSG_CONTROL_DESCRIBE, "Describe", PART(describe), 0},
	{MSG_CONTROL_DESCRIBED, "Described", PART(described), 0},
	{MSG_CONTROL_TYPED, "Typed", PART(typed), 0},
};
_Static_assert(sizeof examples / sizeof *examples == EXAMPLES,
	"all of them");

/* The most there may be, of no text. */
static void fill_part(struct msg_control_part *part)
{
	part->bytes = MSG_CONTROL_PART_BYTES_MAX;
	for (uint32_t i = 0; i < part->bytes; i++)
		part->data[i] = (uint8_t)(i * 7);
}

static void fill_from_client(struct msg_control *c)
{
	switch (c->kind) {
	case MSG_CONTROL_HELLO:
		c->hello.version = 1;
		c->hello.role = MSG_CONTROL_SUBSCRIBER;
		strcpy(c->hello.program, "feed");
		c->hello.patient = true;
		break;
	case MSG_CONTROL_SUBSCRIBE:
		strcpy(c->subscribe.pattern, "md.*.bid");
		c->subscribe.policy = MSG_CONTROL_EVICT;
		c->subscribe.hold_max = 256;
		c->subscribe.message_bytes_max = 1u << 20;
		c->subscribe.events = true;
		c->subscribe.history_count = UINT32_MAX;
		c->subscribe.tagged = true;
		c->subscribe.give_up_ms = 60000;
		c->subscribe.resumes = true;
		c->subscribe.best_effort = true;
		c->subscribe.type_hash = 0x1122334455667788;
		c->subscribe.large_bytes_max = 1u << 30;
		break;
	case MSG_CONTROL_PUBLISH:
		strcpy(c->publish.topic, "md.acme.prüf");
		c->publish.incarnation = 0x0123456789abcdef;
		c->publish.next_sequence = UINT64_MAX;
		c->publish.message_bytes_max = 1472;
		c->publish.loan_count_max = 256;
		c->publish.period_ms = 1000;
		c->publish.reliability = MSG_RELIABILITY_RELIABLE;
		c->publish.flow = MSG_FLOW_K_OF_N;
		c->publish.flow_count = 1024;
		c->publish.history_bytes = 4ull << 30;
		c->publish.history_ms = 3600000;
		c->publish.give_up_ms = 60000;
		c->publish.linger_ms = 1;
		c->publish.next_frame = 1ull << 48;
		c->publish.session = UINT32_MAX;
		strcpy(c->publish.type_name, "md.Quote");
		c->publish.type_encoding = 255;
		c->publish.type_hash = 0x1122334455667788;
		c->publish.large_bytes_max = 1u << 30;
		c->publish.large_memory_bytes = 1ull << 40;
		break;
	case MSG_CONTROL_WATCH:
		strcpy(c->watch.pattern, ">");
		break;
	case MSG_CONTROL_SCHEMA:
		c->schema.hash = 0x1122334455667788;
		c->schema.bytes = 65536;
		c->schema.offset = 65536 - MSG_CONTROL_PART_BYTES_MAX;
		fill_part(&c->schema.part);
		break;
	case MSG_CONTROL_DESCRIBE:
		c->describe.publisher = UINT32_MAX;
		c->describe.hash = 0x1122334455667788;
		c->describe.offset = 3072;
		break;
	default:
		c->bye.next_sequence = 1234567890123;
	}
}

void fill_topic(struct msg_control_topic *t, unsigned number)
{
	snprintf(t->topic, sizeof t->topic, "md.t%u", number);
	strcpy(t->host, "node-7.example");
	strcpy(t->program, "feed");
	t->publisher = 0x89abcdef;
	t->message_count = 1ull << 40;
	t->age_ns = 7;
	t->rate = number ? 1234.5 : -1;
	t->pid = 4242;
	t->uid = 1000;
	t->message_bytes_max = 16u << 20;
	t->frame_bytes = 1472;
	t->local = number & 1;
	t->reliability = MSG_RELIABILITY_RELIABLE;
	strcpy(t->type_name, "md.Quote");
	t->type_encoding = 1;
	t->type_hash = UINT64_MAX;
}

static void fill_welcome(struct msg_control_welcome *w)
{
	w->version = 1;
	w->epoch = 0xfedcba9876543210;
	w->pid = 99;
	strcpy(w->name, "default");
	w->lane = MSG_LANE_UDP;
	strcpy(w->interface, "lo");
	strcpy(w->address, "127.0.0.1");
	strcpy(w->groups, "239.255.77.0+64");
	strcpy(w->reason, "no RDMA device is active");
	w->port = 7400;
	w->frame_bytes = 16384;
	w->publish_message_bytes_max = 16360;
	w->publish_loan_count_max = 256;
	w->publish_period_ms = 1000;
	w->reliable = true;
	w->wishes = true;
	w->types = true;
	w->large = true;
}

static void fill_ring(struct msg_control_ring *r)
{
	r->number = 7;
	strcpy(r->topic, "md.acme.bid");
	r->origin = MSG_CONTROL_LOCAL;
	r->publisher = 0x89abcdef;
	r->reader = 127;
	r->entry_count = 4096;
	r->pool_bytes = 1ull << 33;
	r->hold_max = 64;
	r->start = 1ull << 40;
	r->history = 4096;
	strcpy(r->program, "feed");
	r->large_bytes = 4096;
}

static void fill_from_broker(struct msg_control *c)
{
	switch (c->kind) {
	case MSG_CONTROL_WELCOME:
		fill_welcome(&c->welcome);
		break;
	case MSG_CONTROL_REFUSED:
		c->refused.code = MSG_ERROR_ARGUMENT;
		strcpy(c->refused.text, "no rights on md.>; ask for them");
		break;
	case MSG_CONTROL_PUBLISHING:
		/* One by one: what lies between them stays 0. */
		c->publishing.slot_count = 1024;
		c->publishing.slot_bytes = 1600;
		c->publishing.payload_bytes = 1448;
		c->publishing.entry_count = 2048;
		c->publishing.frame_body_max = 1448;
		c->publishing.keep_max = 1;
		c->publishing.retain = 512;
		c->publishing.large_bytes = 1ull << 41;
		break;
	case MSG_CONTROL_RING:
		fill_ring(&c->ring);
		break;
	case MSG_CONTROL_RING_GONE:
		c->ring_gone.number = UINT32_MAX;
		c->ring_gone.left = true;
		break;
	case MSG_CONTROL_READER:
		c->reader.reader = 3;
		c->reader.policy = MSG_CONTROL_BLOCK;
		c->reader.hold_max = 65536;
		c->reader.pid = 1;
		c->reader.uid = 1001;
		strcpy(c->reader.program, "viewer");
		c->reader.awaited = true;
		break;
	case MSG_CONTROL_READER_GONE:
		c->reader_gone.reader = 127;
		break;
	case MSG_CONTROL_LISTING:
		c->listing.topic_count = 3;
		c->listing.more = true;
		for (unsigned i = 0; i < 3; i++)
			fill_topic(&c->listing.topics[i], i);
		break;
	case MSG_CONTROL_STATS_SEGMENT:
		c->stats_segment.bytes = 4096;
		break;
	case MSG_CONTROL_DESCRIBED:
		c->described.publisher = 0x89abcdef;
		c->described.hash = 0x1122334455667788;
		c->described.offset = 1;
		c->described.state = MSG_CONTROL_HERE;
		c->described.bytes = 65536;
		fill_part(&c->described.part);
		break;
	case MSG_CONTROL_TYPED:
		strcpy(c->typed.topic, "md.acme.bid");
		c->typed.publisher = 0x89abcdef;
		strcpy(c->typed.type_name, "md.Other");
		break;
	default:
		break;
	}
}

struct msg_control example;

void fill(const struct example *about)
{
	memset(&example, 0, sizeof example);
	example.kind = about->kind;
	if (about->size == 0)
		return;
	if (about->kind < 128)
		fill_from_client(&example);
	else
		fill_from_broker(&example);
}

const struct example *about_kind(unsigned kind)
{
	for (size_t i = 0; i < EXAMPLES; i++)
		if (examples[i].kind == kind)
			return &examples[i];
	abort();
}

/* ---- bodies by hand ---------------------------------------------------- */

struct body body;

/* Plain checks here: each assertion writes to Check's pipe. */
void put(uint8_t byte)
{
	if (body.bytes >= sizeof body.data)
		abort();
	body.data[body.bytes++] = byte;
}

void put_varint(uint64_t value)
{
	for (; value > 127; value >>= 7)
		put((uint8_t)(value | 128));
	put((uint8_t)value);
}

void put_tag(unsigned field, enum wire wire)
{
	put_varint((uint64_t)field << 3 | wire);
}

void put_number(unsigned field, enum wire wire, uint64_t value)
{
	put_tag(field, wire);
	if (wire == VARINT)
		put_varint(value);
	else
		for (unsigned i = 0; i < 64; i += 8)
			put((uint8_t)(value >> i));
}

void put_bytes(unsigned field, const void *data, size_t bytes)
{
	put_tag(field, BYTES);
	put_varint(bytes);
	if (bytes > sizeof body.data - body.bytes)
		abort();
	memcpy(body.data + body.bytes, data, bytes);
	body.bytes += bytes;
}

struct msg_control found;
unsigned fd_count;

/* Of the exact size, so that a sanitizer sees a byte too far. */
int unpack_from(enum msg_control_side side, unsigned kind)
{
	uint8_t *exact = malloc(body.bytes ? body.bytes : 1);
	struct msg_control_frame frame = {
		.kind = (uint16_t)kind,
		.bytes = (uint32_t)body.bytes,
		.body = exact,
		.fd_count = fd_count,
		.fds = {-1, -1, -1, -1},
	};
	int result;

	memcpy(exact, body.data, body.bytes);
	msg_fail(1, "untouched");
	result = msg_control_unpack(&found, side, &frame);
	if (result == 0)
		ck_assert_str_eq(msg_trail_text(), "untouched");
	free(exact);
	return result;
}

int unpack(unsigned kind)
{
	return unpack_from(
		kind < 128 ? MSG_CONTROL_CLIENT : MSG_CONTROL_BROKER, kind);
}

void refused_from(
	enum msg_control_side side, unsigned kind, const char *why)
{
	static struct msg_control before;
	const char *text;

	memset(&found, 0x5a, sizeof found);
	memcpy(&before, &found, sizeof found);
	ck_assert_int_eq(unpack_from(side, kind), -MSG_ERROR_ARGUMENT);
	ck_assert_mem_eq(&found, &before, sizeof found);
	text = msg_trail_text();
	ck_assert_msg(
		strstr(text, why) != NULL, "'%s' says no '%s'", text, why);
	for (; *text; text++)
		if (*text < 0x20 || *text >= 0x7f)
			ck_abort_msg("the text is not printable");
}

void refused(unsigned kind, const char *why)
{
	refused_from(kind < 128 ? MSG_CONTROL_CLIENT : MSG_CONTROL_BROKER, kind,
		why);
}

void pack_example(const struct example *about)
{
	fill(about);
	fd_count = about->fds;
	body.bytes = msg_control_pack(&example, body.data);
}
