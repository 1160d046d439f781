/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control.c - control messages, to bytes and back; see
 * libmsg/link/shm/control.h.
 *
 * The table below says again, from proto/README.md and not from the code, what
 * each field may hold.  A value is tried by appending its field once more to a
 * good body: in protobuf the last one counts.
 */
#include "link/shm/control.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"
#include "check_main.h"

/* ---- one good message of each kind ------------------------------------- */

struct example {
	unsigned kind;
	const char *name;
	size_t size; /* Of its part of the union. */
	unsigned fds;
};

#define PART(member) sizeof(((struct msg_control *)0)->member)

static const struct example examples[] = {
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
	{MSG_CONTROL_PUBLISHING, "Publishing", PART(publishing), 2},
	{MSG_CONTROL_RING, "Ring", PART(ring), 3},
	{MSG_CONTROL_RING_GONE, "RingGone", PART(ring_gone), 0},
	{MSG_CONTROL_READER, "Reader", PART(reader), 1},
	{MSG_CONTROL_READER_GONE, "ReaderGone", PART(reader_gone), 0},
	{MSG_CONTROL_LISTING, "Listing", PART(listing), 0},
	{MSG_CONTROL_STATS_SEGMENT, "StatsSegment", PART(stats_segment), 1},
	{MSG_CONTROL_STARTED, "Started", 0, 0},
};
#define EXAMPLES (sizeof examples / sizeof *examples)

static void fill_from_client(struct msg_control *c)
{
	switch (c->kind) {
	case MSG_CONTROL_HELLO:
		c->hello.version = 1;
		c->hello.role = MSG_CONTROL_SUBSCRIBER;
		strcpy(c->hello.program, "feed");
		break;
	case MSG_CONTROL_SUBSCRIBE:
		strcpy(c->subscribe.pattern, "md.*.bid");
		c->subscribe.policy = MSG_CONTROL_EVICT;
		c->subscribe.hold_max = 256;
		c->subscribe.message_bytes_max = 1u << 20;
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
		break;
	case MSG_CONTROL_WATCH:
		strcpy(c->watch.pattern, ">");
		break;
	default:
		c->bye.next_sequence = 1234567890123;
	}
}

static void fill_topic(struct msg_control_topic *t, unsigned number)
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
		c->publishing = (struct msg_control_publishing){
			1024, 1600, 1448, 2048, 1448, 1};
		break;
	case MSG_CONTROL_RING:
		fill_ring(&c->ring);
		break;
	case MSG_CONTROL_RING_GONE:
		c->ring_gone.number = UINT32_MAX;
		break;
	case MSG_CONTROL_READER:
		c->reader.reader = 3;
		c->reader.policy = MSG_CONTROL_BLOCK;
		c->reader.hold_max = 65536;
		c->reader.pid = 1;
		c->reader.uid = 1001;
		strcpy(c->reader.program, "viewer");
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
	default:
		break;
	}
}

static struct msg_control example;

static void fill(const struct example *about)
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

static const struct example *about_kind(unsigned kind)
{
	for (size_t i = 0; i < EXAMPLES; i++)
		if (examples[i].kind == kind)
			return &examples[i];
	abort();
}

/* ---- bodies by hand ---------------------------------------------------- */

struct body {
	size_t bytes;
	uint8_t data[1 << 17];
};

static struct body body;

enum wire {
	VARINT = 0,
	FIXED64 = 1,
	BYTES = 2,
	GROUP = 3,
	FIXED32 = 5,
};

/* Plain checks here: each assertion writes to Check's pipe. */
static void put(uint8_t byte)
{
	if (body.bytes >= sizeof body.data)
		abort();
	body.data[body.bytes++] = byte;
}

static void put_varint(uint64_t value)
{
	for (; value > 127; value >>= 7)
		put((uint8_t)(value | 128));
	put((uint8_t)value);
}

static void put_tag(unsigned field, enum wire wire)
{
	put_varint((uint64_t)field << 3 | wire);
}

static void put_number(unsigned field, enum wire wire, uint64_t value)
{
	put_tag(field, wire);
	if (wire == VARINT)
		put_varint(value);
	else
		for (unsigned i = 0; i < 64; i += 8)
			put((uint8_t)(value >> i));
}

static void put_bytes(unsigned field, const void *data, size_t bytes)
{
	put_tag(field, BYTES);
	put_varint(bytes);
	if (bytes > sizeof body.data - body.bytes)
		abort();
	memcpy(body.data + body.bytes, data, bytes);
	body.bytes += bytes;
}

static struct msg_control found;
static unsigned fd_count;

/* Of the exact size, so that a sanitizer sees a byte too far. */
static int unpack_from(enum msg_control_side side, unsigned kind)
{
	uint8_t *exact = malloc(body.bytes ? body.bytes : 1);
	struct msg_control_frame frame = {
		.kind = (uint16_t)kind,
		.bytes = (uint32_t)body.bytes,
		.body = exact,
		.fd_count = fd_count,
		.fds = {-1, -1, -1},
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

static int unpack(unsigned kind)
{
	return unpack_from(
		kind < 128 ? MSG_CONTROL_CLIENT : MSG_CONTROL_BROKER, kind);
}

/* Refused, nothing written, and one printable line names why. */
static void refused_from(
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

static void refused(unsigned kind, const char *why)
{
	refused_from(kind < 128 ? MSG_CONTROL_CLIENT : MSG_CONTROL_BROKER, kind,
		why);
}

static void pack(const struct example *about)
{
	fill(about);
	fd_count = about->fds;
	body.bytes = msg_control_pack(&example, body.data);
}

/* ---- round trips ------------------------------------------------------- */

static void is_same(const struct example *about)
{
	ck_assert_msg(unpack(about->kind) == 0, "%s", msg_trail_text());
	ck_assert_uint_eq(found.kind, about->kind);
	if (about->size > 0)
		ck_assert_mem_eq(&found.hello, &example.hello, about->size);
}

START_TEST(what_is_packed_is_unpacked)
{
	pack(&examples[_i]);
	memset(&found, 0x5a, sizeof found);
	is_same(&examples[_i]);
	ck_assert_str_eq(
		msg_control_kind_name(examples[_i].kind), examples[_i].name);
}
END_TEST

static void fill_text(char *text, size_t size, char with)
{
	memset(text, with, size - 1);
	text[size - 1] = '\0';
}

/* Every text as long as may be, every number its longest on the wire. */
START_TEST(the_largest_listing_fits)
{
	const struct example *about = about_kind(MSG_CONTROL_LISTING);

	fill(about);
	fd_count = 0;
	example.listing.topic_count = MSG_CONTROL_TOPICS_MAX;
	for (unsigned i = 0; i < MSG_CONTROL_TOPICS_MAX; i++) {
		struct msg_control_topic *t = &example.listing.topics[i];

		fill_topic(t, 1);
		fill_text(t->topic, sizeof t->topic, 't');
		fill_text(t->host, sizeof t->host, 'h');
		fill_text(t->program, sizeof t->program, 'p');
		t->publisher = t->pid = t->uid = UINT32_MAX;
		t->message_count = t->age_ns = UINT64_MAX;
	}
	body.bytes = msg_control_pack(&example, body.data);
	ck_assert_uint_gt(body.bytes, 14000);
	ck_assert_uint_le(body.bytes, MSG_CONTROL_PACKED_BYTES_MAX);
	is_same(about);
}
END_TEST

START_TEST(the_largest_welcome_and_refusal_fit)
{
	const struct example *about = about_kind(MSG_CONTROL_WELCOME);
	struct msg_control_welcome *w = &example.welcome;

	fill(about);
	fd_count = 1;
	fill_text(w->name, sizeof w->name, 'n');
	fill_text(w->device, sizeof w->device, 'd');
	fill_text(w->interface, sizeof w->interface, 'i');
	fill_text(w->address, sizeof w->address, 'a');
	fill_text(w->groups, sizeof w->groups, 'g');
	fill_text(w->reason, sizeof w->reason, 'r');
	body.bytes = msg_control_pack(&example, body.data);
	is_same(about);

	about = about_kind(MSG_CONTROL_REFUSED);
	fill(about);
	fd_count = 0;
	fill_text(example.refused.text, sizeof example.refused.text, 'x');
	body.bytes = msg_control_pack(&example, body.data);
	is_same(about);
}
END_TEST

START_TEST(an_empty_listing_is_one)
{
	const struct example *about = about_kind(MSG_CONTROL_LISTING);

	fill(about);
	memset(&example.listing, 0, sizeof example.listing);
	body.bytes = msg_control_pack(&example, body.data);
	is_same(about);
	body.bytes = 0;
	is_same(about);
}
END_TEST

START_TEST(an_odd_program_name_is_sent_as_question_marks)
{
	fill(about_kind(MSG_CONTROL_HELLO));
	fd_count = 0;
	strcpy(example.hello.program, "a\n\xff\x1b[2Jb");
	body.bytes = msg_control_pack(&example, body.data);
	ck_assert_int_eq(unpack(MSG_CONTROL_HELLO), 0);
	ck_assert_str_eq(found.hello.program, "a???[2Jb");
}
END_TEST

START_TEST(packing_what_is_out_of_range_aborts)
{
	fill(about_kind(MSG_CONTROL_HELLO));
	example.hello.role = 4;
	msg_control_pack(&example, body.data);
}
END_TEST

START_TEST(packing_a_topic_that_is_no_text_aborts)
{
	fill(about_kind(MSG_CONTROL_WATCH));
	strcpy(example.watch.pattern, "a\n");
	msg_control_pack(&example, body.data);
}
END_TEST

/* ---- the fields, one by one -------------------------------------------- */

enum type {
	NUMBER32, /* Wire type VARINT. */
	NUMBER64,
	FIXED, /* Wire type FIXED64. */
	FLAG,
	REAL,
	TEXT,
};

struct rule {
	unsigned kind; /* 0: a Topic in a Listing. */
	unsigned field;
	enum type type;
	uint64_t min; /* Of a number, or of a text's bytes. */
	uint64_t max;
	bool required;
};

#define M16 (16u << 20)
#define ANY32 0, UINT32_MAX
#define ANY64 0, UINT64_MAX

static const struct rule rules[] = {
	{MSG_CONTROL_HELLO, 1, NUMBER32, 1, UINT32_MAX, true},
	{MSG_CONTROL_HELLO, 2, NUMBER32, 1, 3, true},
	{MSG_CONTROL_HELLO, 3, TEXT, 0, 63, false},
	{MSG_CONTROL_SUBSCRIBE, 1, TEXT, 1, 255, true},
	{MSG_CONTROL_SUBSCRIBE, 2, NUMBER32, 1, 3, true},
	{MSG_CONTROL_SUBSCRIBE, 3, NUMBER32, 1, 65536, true},
	{MSG_CONTROL_SUBSCRIBE, 4, NUMBER32, 1, M16, true},
	{MSG_CONTROL_PUBLISH, 1, TEXT, 1, 255, true},
	{MSG_CONTROL_PUBLISH, 2, FIXED, ANY64, true},
	{MSG_CONTROL_PUBLISH, 3, NUMBER64, ANY64, true},
	{MSG_CONTROL_PUBLISH, 4, NUMBER32, 1, M16, true},
	{MSG_CONTROL_PUBLISH, 5, NUMBER32, 2, 65536, true},
	{MSG_CONTROL_PUBLISH, 6, NUMBER32, 10, 60000, true},
	{MSG_CONTROL_PUBLISH, 7, NUMBER32, 0, 2, false},
	{MSG_CONTROL_PUBLISH, 8, NUMBER32, 0, 3, false},
	{MSG_CONTROL_PUBLISH, 9, NUMBER32, 0, 1024, false},
	{MSG_CONTROL_PUBLISH, 10, NUMBER64, 0, 4ull << 30, false},
	{MSG_CONTROL_PUBLISH, 11, NUMBER32, 0, 3600000, false},
	{MSG_CONTROL_PUBLISH, 12, NUMBER32, 0, 60000, false},
	{MSG_CONTROL_PUBLISH, 13, NUMBER32, 0, 60000, false},
	{MSG_CONTROL_PUBLISH, 14, NUMBER64, 0, 1ull << 48, false},
	{MSG_CONTROL_PUBLISH, 15, NUMBER32, ANY32, false},
	{MSG_CONTROL_WATCH, 1, TEXT, 1, 255, true},
	{MSG_CONTROL_BYE, 1, NUMBER64, ANY64, true},
	{MSG_CONTROL_WELCOME, 1, NUMBER32, 1, UINT32_MAX, true},
	{MSG_CONTROL_WELCOME, 2, FIXED, ANY64, true},
	{MSG_CONTROL_WELCOME, 3, NUMBER32, ANY32, true},
	{MSG_CONTROL_WELCOME, 4, TEXT, 1, 64, true},
	{MSG_CONTROL_WELCOME, 5, NUMBER32, 0, 2, false},
	{MSG_CONTROL_WELCOME, 6, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 7, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 8, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 9, TEXT, 0, 63, false},
	{MSG_CONTROL_WELCOME, 10, TEXT, 0, 159, false},
	{MSG_CONTROL_WELCOME, 11, NUMBER32, 0, 65535, false},
	{MSG_CONTROL_WELCOME, 12, NUMBER32, 256, 65507, true},
	{MSG_CONTROL_WELCOME, 13, NUMBER32, 1, M16, true},
	{MSG_CONTROL_WELCOME, 14, NUMBER32, 2, 65536, true},
	{MSG_CONTROL_WELCOME, 15, NUMBER32, 10, 60000, true},
	{MSG_CONTROL_WELCOME, 16, FLAG, 0, 1, false},
	{MSG_CONTROL_REFUSED, 1, NUMBER32, 1, 255, true},
	{MSG_CONTROL_REFUSED, 2, TEXT, 0, 400, false},
	{MSG_CONTROL_PUBLISHING, 1, NUMBER32, 2, 1u << 20, true},
	{MSG_CONTROL_PUBLISHING, 2, NUMBER32, 1448, 1u << 30, true},
	{MSG_CONTROL_PUBLISHING, 3, NUMBER32, 1, 1600, true},
	{MSG_CONTROL_PUBLISHING, 4, NUMBER32, 2, 1u << 20, true},
	{MSG_CONTROL_PUBLISHING, 5, NUMBER32, 1, 65507, true},
	{MSG_CONTROL_PUBLISHING, 6, NUMBER32, 0, 2047, false},
	{MSG_CONTROL_RING, 1, NUMBER32, ANY32, true},
	{MSG_CONTROL_RING, 2, TEXT, 1, 255, true},
	{MSG_CONTROL_RING, 3, NUMBER32, 1, 2, true},
	{MSG_CONTROL_RING, 4, NUMBER32, ANY32, false},
	{MSG_CONTROL_RING, 5, NUMBER32, 0, 127, true},
	{MSG_CONTROL_RING, 6, NUMBER32, 2, 1u << 20, true},
	{MSG_CONTROL_RING, 7, NUMBER64, 1, 1ull << 40, true},
	{MSG_CONTROL_RING, 8, NUMBER32, 1, 65536, true},
	{MSG_CONTROL_RING, 9, NUMBER64, ANY64, true},
	{MSG_CONTROL_RING_GONE, 1, NUMBER32, ANY32, true},
	{MSG_CONTROL_READER, 1, NUMBER32, 0, 127, true},
	{MSG_CONTROL_READER, 2, NUMBER32, 1, 3, true},
	{MSG_CONTROL_READER, 3, NUMBER32, 1, 65536, true},
	{MSG_CONTROL_READER, 4, NUMBER32, ANY32, false},
	{MSG_CONTROL_READER, 5, NUMBER32, ANY32, false},
	{MSG_CONTROL_READER, 6, TEXT, 0, 63, false},
	{MSG_CONTROL_READER_GONE, 1, NUMBER32, 0, 127, true},
	{0, 1, TEXT, 1, 255, true},
	{0, 2, TEXT, 0, 63, false},
	{0, 3, TEXT, 0, 63, false},
	{0, 4, NUMBER32, ANY32, true},
	{0, 5, NUMBER64, ANY64, true},
	{0, 6, NUMBER64, ANY64, true},
	{0, 7, REAL, 0, 0, true},
	{0, 8, NUMBER32, ANY32, false},
	{0, 9, NUMBER32, ANY32, false},
	{0, 10, NUMBER32, 1, M16, true},
	{0, 11, NUMBER32, 256, 65507, true},
	{0, 12, FLAG, 0, 1, false},
	{0, 13, NUMBER32, 0, 3, false},
	{MSG_CONTROL_LISTING, 2, FLAG, 0, 1, false},
	{MSG_CONTROL_STATS_SEGMENT, 1, NUMBER64, 1, 1ull << 40, true},
};
#define RULES (sizeof rules / sizeof *rules)

static unsigned frame_kind(const struct rule *rule)
{
	return rule->kind ? rule->kind : MSG_CONTROL_LISTING;
}

static uint64_t read_varint(const uint8_t **at)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		value |= (uint64_t)(**at & 127) << shift;
		if (!(*(*at)++ & 128))
			return value;
	}
}

/* Step over a field; returns its number. */
static unsigned skip_field(const uint8_t **at)
{
	uint64_t tag = read_varint(at), bytes;

	switch ((enum wire)(tag & 7)) {
	case VARINT:
		read_varint(at);
		break;
	case FIXED64:
		*at += 8;
		break;
	case BYTES:
		bytes = read_varint(at);
		*at += bytes;
		break;
	default:
		abort();
	}
	return (unsigned)(tag >> 3);
}

/* A good body for the rule; of a Topic alone, without the Listing around. */
static void start(const struct rule *rule)
{
	const uint8_t *at = body.data;
	size_t bytes;

	pack(about_kind(frame_kind(rule)));
	if (rule->kind)
		return;
	at++; /* The tag of the first topic. */
	bytes = read_varint(&at);
	memmove(body.data, at, bytes);
	body.bytes = bytes;
}

/* Put the Listing around a Topic. */
static void finish(const struct rule *rule)
{
	static uint8_t inner[4096];
	size_t bytes = body.bytes;

	if (rule->kind)
		return;
	memcpy(inner, body.data, bytes);
	body.bytes = 0;
	put_bytes(1, inner, bytes);
}

static void accepted_value(const struct rule *rule)
{
	finish(rule);
	ck_assert_msg(unpack(frame_kind(rule)) == 0, "kind %u field %u: %s",
		rule->kind, rule->field, msg_trail_text());
}

static void refused_value(const struct rule *rule, const char *why)
{
	finish(rule);
	refused(frame_kind(rule), why);
}

static void try_number(const struct rule *rule, uint64_t value, bool good)
{
	start(rule);
	put_number(rule->field, rule->type == FIXED ? FIXED64 : VARINT, value);
	if (good)
		accepted_value(rule);
	else
		refused_value(rule,
			rule->field == 2 && rule->kind == MSG_CONTROL_PUBLISHING
				? "Publishing: "
				: " is ");
}

static void try_text(const struct rule *rule, const char *text, size_t bytes,
	const char *why)
{
	start(rule);
	put_bytes(rule->field, text, bytes);
	if (!why)
		accepted_value(rule);
	else
		refused_value(rule, why);
}

static void try_real(const struct rule *rule, double value, bool good)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	start(rule);
	put_number(rule->field, FIXED64, bits);
	if (good)
		accepted_value(rule);
	else
		refused_value(rule, "rate is not finite");
}

static void try_numbers(const struct rule *rule)
{
	uint64_t whole = rule->type == NUMBER32 ? UINT32_MAX : UINT64_MAX;

	try_number(rule, rule->min, true);
	try_number(rule, rule->max, true);
	if (rule->min > 0)
		try_number(rule, rule->min - 1, false);
	if (rule->max < whole) {
		try_number(rule, rule->max + 1, false);
		try_number(rule, whole, false);
	}
}

static void try_texts(const struct rule *rule)
{
	char text[512];

	memset(text, 'x', sizeof text);
	try_text(rule, text, rule->min, NULL);
	try_text(rule, text, rule->max, NULL);
	try_text(rule, text, rule->max + 1, " bytes, not ");
	if (rule->min > 0)
		try_text(rule, text, 0, "has 0 bytes, not 1 to");
	try_text(rule, "a\0b", 3, "is not UTF-8 without control");
	try_text(rule, "a\x1b[2J", 5, "is not UTF-8 without control");
	try_text(rule, "\xff", 1, "is not UTF-8 without control");
	try_text(rule, "\xc0\xaf", 2, "is not UTF-8 without control");
	try_text(rule,
		"pr\xc3\xbc"
		"f",
		5, NULL);
}

START_TEST(every_field_has_its_range)
{
	const struct rule *rule = &rules[_i];

	switch (rule->type) {
	case TEXT:
		try_texts(rule);
		break;
	case REAL:
		try_real(rule, -1, true);
		try_real(rule, 1e300, true);
		try_real(rule, INFINITY, false);
		try_real(rule, -INFINITY, false);
		try_real(rule, NAN, false);
		break;
	case FLAG:
		try_number(rule, 0, true);
		try_number(rule, 1, true);
		try_number(rule, 77, true); /* Any but 0 is true. */
		break;
	default:
		try_numbers(rule);
	}
}
END_TEST

START_TEST(every_required_field_must_be_there)
{
	const struct rule *rule = &rules[_i];
	static uint8_t whole[4096];
	const uint8_t *at = whole;
	size_t bytes;

	start(rule);
	bytes = body.bytes;
	ck_assert_uint_le(bytes, sizeof whole);
	memcpy(whole, body.data, bytes);
	body.bytes = 0;
	while (at < whole + bytes) {
		const uint8_t *field = at;

		if (skip_field(&at) != rule->field)
			for (; field < at; field++)
				put(*field);
	}
	ck_assert_uint_lt(body.bytes, bytes);
	if (rule->required)
		refused_value(rule, "required field is missing");
	else
		accepted_value(rule);
}
END_TEST

/* But for flags, of which protobuf-c takes any bytes. */
START_TEST(a_field_of_another_wire_type_is_refused)
{
	const struct rule *rule = &rules[_i];

	start(rule);
	if (rule->type == TEXT)
		put_number(rule->field, VARINT, 1);
	else
		put_bytes(rule->field, "x", 1);
	if (rule->type == FLAG)
		accepted_value(rule);
	else
		refused_value(rule, "cannot be parsed");
}
END_TEST

/* ---- whole messages ---------------------------------------------------- */

START_TEST(unknown_fields_are_skipped)
{
	pack(&examples[_i]);
	put_number(100, VARINT, 7);
	put_number(101, FIXED64, 7);
	put_bytes(102, "\xff\0x", 3);
	put_tag(103, FIXED32);
	for (int i = 0; i < 4; i++)
		put(0xff);
	is_same(&examples[_i]);
}
END_TEST

/* What is cut either lacks something, or only what may be absent. */
START_TEST(a_cut_body_is_refused_or_whole)
{
	pack(&examples[_i]);
	while (body.bytes > 0) {
		body.bytes--;
		if (unpack(examples[_i].kind) == 0) {
			uint8_t again[MSG_CONTROL_PACKED_BYTES_MAX];

			msg_control_pack(&found, again);
		}
	}
}
END_TEST

START_TEST(noise_is_refused_or_good)
{
	struct random_stream random = {check_seed() + (uint64_t)_i};
	unsigned trials = 20000 / MSG_TEST_FEWER;

	for (unsigned i = 0; i < trials; i++) {
		pack(&examples[_i]);
		for (uint64_t k = random_below(&random, 4); k < 4; k++)
			if (body.bytes > 0)
				body.data[random_below(&random, body.bytes)] =
					(uint8_t)random_next(&random);
		if (unpack(examples[_i].kind) == 0) {
			uint8_t again[MSG_CONTROL_PACKED_BYTES_MAX];

			msg_control_pack(&found, again);
		}
	}
}
END_TEST

START_TEST(a_kind_is_for_one_side_to_say)
{
	const struct example *about = &examples[_i];

	pack(about);
	if (about->kind < 128)
		refused_from(MSG_CONTROL_BROKER, about->kind,
			"is for the client to say");
	else
		refused_from(MSG_CONTROL_CLIENT, about->kind,
			"is for the broker to say");
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), about->name));
}
END_TEST

START_TEST(descriptors_are_as_many_as_the_kind_has)
{
	const struct example *about = &examples[_i];

	pack(about);
	for (fd_count = 0; fd_count <= 3; fd_count++) {
		bool good =
			fd_count == about->fds ||
			(about->kind == MSG_CONTROL_READER && fd_count == 2);

		if (good)
			is_same(about);
		else
			refused(about->kind, "descriptors came with it");
	}
}
END_TEST

START_TEST(unknown_kinds_are_refused_by_number)
{
	unsigned known = 0;

	body.bytes = fd_count = 0;
	for (unsigned kind = 0; kind <= UINT16_MAX; kind++) {
		struct msg_control_frame frame = {.kind = (uint16_t)kind};
		char why[64];

		if (msg_control_kind_name(kind)) {
			known++;
			continue;
		}
		if (msg_control_unpack(&found, MSG_CONTROL_BROKER, &frame) !=
			-MSG_ERROR_ARGUMENT)
			ck_abort_msg("kind %u was taken", kind);
		snprintf(why, sizeof why, "kind %u are not known", kind);
		if (!strstr(msg_trail_text(), why))
			ck_abort_msg("kind %u: %s", kind, msg_trail_text());
	}
	ck_assert_uint_eq(known, EXAMPLES);
}
END_TEST

START_TEST(too_large_a_body_is_refused_unread)
{
	pack(&examples[_i]);
	while (body.bytes <= 64u << 10)
		put_bytes(100, "0123456789abcdef", 16);
	refused(examples[_i].kind, " bytes, more than ");
}
END_TEST

/* ---- amplification ----------------------------------------------------- */

/* Two bytes of body for some 170 of memory, as often as fits. */
static void fill_with_empty_topics(size_t bytes)
{
	body.bytes = 0;
	fd_count = 0;
	while (body.bytes + 2 <= bytes)
		put_bytes(1, "", 0);
}

START_TEST(many_empty_elements_cost_neither_memory_nor_time)
{
	size_t sizes[] = {64u << 10, 32u << 10, 16u << 10, 2048, 80};
	uint64_t begin = msg_clock_ns();

	for (unsigned trial = 0; trial < 100; trial++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			fill_with_empty_topics(sizes[i]);
			refused(MSG_CONTROL_LISTING, "Listing: ");
		}
	/* Some 10 us each here, with a sanitizer and all. */
	ck_assert_uint_lt(msg_clock_ns() - begin, 5 * MSG_NS_PER_S);
}
END_TEST

START_TEST(one_topic_too_many_is_refused)
{
	static uint8_t one[512];
	const struct rule topic = {.kind = 0};
	size_t bytes;

	start(&topic);
	bytes = body.bytes;
	memcpy(one, body.data, bytes);
	body.bytes = 0;
	for (unsigned i = 0; i < MSG_CONTROL_TOPICS_MAX; i++)
		put_bytes(1, one, bytes);
	ck_assert_int_eq(unpack(MSG_CONTROL_LISTING), 0);
	ck_assert_uint_eq(found.listing.topic_count, MSG_CONTROL_TOPICS_MAX);
	put_bytes(1, one, bytes);
	refused(MSG_CONTROL_LISTING, "topics is 33, not 0 to 32");
}
END_TEST

START_TEST(many_unknown_fields_are_too_much)
{
	pack(about_kind(MSG_CONTROL_HELLO));
	while (body.bytes + 2 <= 4096)
		put_number(15, VARINT, 0);
	refused(MSG_CONTROL_HELLO, "cannot be parsed");
}
END_TEST

START_TEST(nesting_leads_nowhere)
{
	/* Groups, which protobuf once had, and a message in a message. */
	pack(about_kind(MSG_CONTROL_HELLO));
	for (int i = 0; i < 1000; i++)
		put_tag(20, GROUP);
	refused(MSG_CONTROL_HELLO, "cannot be parsed");
	pack(about_kind(MSG_CONTROL_LISTING));
	body.bytes = 0;
	for (int i = 0; i < 4; i++) {
		static uint8_t inner[512];
		size_t bytes = body.bytes;

		memcpy(inner, body.data, bytes);
		body.bytes = 0;
		put_bytes(1, inner, bytes);
	}
	refused(MSG_CONTROL_LISTING, "Listing: ");
}
END_TEST

/* ---- between fields ---------------------------------------------------- */

START_TEST(a_pool_too_large_is_refused)
{
	pack(about_kind(MSG_CONTROL_PUBLISHING));
	put_number(1, VARINT, 1u << 20);
	put_number(2, VARINT, 1u << 20);
	ck_assert_int_eq(unpack(MSG_CONTROL_PUBLISHING), 0);
	put_number(2, VARINT, (1u << 20) + 1);
	refused(MSG_CONTROL_PUBLISHING, "are too much");
	put_number(2, VARINT, 1447);
	refused(MSG_CONTROL_PUBLISHING, "more than slot_bytes 1447");
}
END_TEST

START_TEST(a_frame_closes_what_was_not_taken_out)
{
	struct msg_control_frame frame = {.fd_count = 3};
	int kept;

	for (unsigned i = 0; i < 3; i++)
		frame.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	kept = frame.fds[1];
	frame.fds[1] = -1;
	msg_control_frame_close(&frame);
	ck_assert_int_eq(frame.fds[0], -1);
	ck_assert_int_eq(frame.fds[2], -1);
	ck_assert_int_ge(fcntl(kept, F_GETFD), 0);
	ck_assert_int_eq(fcntl(kept + 1, F_GETFD), -1);
	msg_control_frame_close(&frame);
	close(kept);
}
END_TEST

static void add_for_each_kind(TCase *whole)
{
	int count = (int)EXAMPLES;

	tcase_add_loop_test(whole, what_is_packed_is_unpacked, 0, count);
	tcase_add_loop_test(whole, unknown_fields_are_skipped, 0, count);
	tcase_add_loop_test(whole, a_cut_body_is_refused_or_whole, 0, count);
	tcase_add_loop_test(whole, noise_is_refused_or_good, 0, count);
	tcase_add_loop_test(whole, a_kind_is_for_one_side_to_say, 0, count);
	tcase_add_loop_test(
		whole, descriptors_are_as_many_as_the_kind_has, 0, count);
	tcase_add_loop_test(
		whole, too_large_a_body_is_refused_unread, 0, count);
}

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *whole = check_case(suite, "whole", 20);
	TCase *field = check_case(suite, "field", 10);
	TCase *amplify = check_case(suite, "amplify", 20);

	add_for_each_kind(whole);
	tcase_add_test(whole, the_largest_listing_fits);
	tcase_add_test(whole, the_largest_welcome_and_refusal_fit);
	tcase_add_test(whole, an_empty_listing_is_one);
	tcase_add_test(whole, an_odd_program_name_is_sent_as_question_marks);
	tcase_add_test_raise_signal(
		whole, packing_what_is_out_of_range_aborts, SIGABRT);
	tcase_add_test_raise_signal(
		whole, packing_a_topic_that_is_no_text_aborts, SIGABRT);
	tcase_add_test(whole, unknown_kinds_are_refused_by_number);
	tcase_add_test(whole, a_pool_too_large_is_refused);
	tcase_add_test(whole, a_frame_closes_what_was_not_taken_out);
	tcase_add_loop_test(field, every_field_has_its_range, 0, (int)RULES);
	tcase_add_loop_test(
		field, every_required_field_must_be_there, 0, (int)RULES);
	tcase_add_loop_test(
		field, a_field_of_another_wire_type_is_refused, 0, (int)RULES);
	tcase_add_test(
		amplify, many_empty_elements_cost_neither_memory_nor_time);
	tcase_add_test(amplify, one_topic_too_many_is_refused);
	tcase_add_test(amplify, many_unknown_fields_are_too_much);
	tcase_add_test(amplify, nesting_leads_nowhere);
	return check_main(suite, NULL);
}
