/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forger.c - a stranger on a topic's group, who hears everything and says what he
 * likes.
 *
 *     forger TOPIC COUNT MS SEED
 *
 * From a queue pair, or a socket, of his own he sends COUNT frames in MS
 * milliseconds: what was heard, again, whole or cut; frames of the right publisher
 * too far ahead; probes of another incarnation of it; reports of receivers that do
 * not exist, half of them believable, to the publisher alone; and noise.  What
 * cannot be told from the true one without keys, a frame of the right publisher
 * with a number that is due, he does not make (tests/sim/hostile.c is his twin).
 * He says "ready" when he has joined, waits until he has heard a probe, and ends
 * with 0 when all is said.  The lane is the environment's (MSG_DEVICE, MSG_INTERFACE,
 * MSG_PORT, MSG_GROUPS).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/trail.h"
#include "link/fabric/fabric.h"
#include "now.h"
#include "protocol/recover.h"
#include "random.h"
#include "topic/groups.h"
#include "topic/name.h"

#define PORT "7400"
#define STRIDE 20480u /* Of a frame of any lane, and its headroom. */
#define EARS 256u
#define MOUTHS 64u
#define HEARD 256u
#define PATIENCE_S 60

static struct random_stream dice;
static uint8_t *memory;
static struct msg_link *ear, *mouth;
static uint32_t group;      /* On `mouth`. */
static uint32_t bytes_max;  /* Of a frame. */
static uint32_t said;       /* Sends, … */
static uint32_t settled;    /* … and those that are done. */

/* What was heard: the newest of it, and the publisher's last probe. */
static uint8_t heard[HEARD][STRIDE];
static uint32_t heard_bytes[HEARD], heard_count;
static struct msg_probe probe;
static uint32_t tag, publisher;
static bool met;            /* A probe was heard, … */
static uint32_t alone;      /* … and this leads to who sent it. */

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "forger: %s\n", what);
	exit(1);
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)random_below(&dice, limit);
}

/* ---- hearing ------------------------------------------------------------- */

static uint8_t *ear_at(uint32_t token)
{
	return memory + (size_t)token * STRIDE + MSG_LINK_HEADROOM;
}

/* The first publisher of the topic stays the victim; his own frames come back,
 * and their probes are of other incarnations. */
static void note_probe(const struct msg_frame *frame, const uint8_t *body)
{
	struct msg_probe p;

	if (frame->type != MSG_FRAME_PROBE || frame->tag != tag ||
		!msg_probe_read(&p, frame, body) ||
		(met && p.incarnation != probe.incarnation))
		return;
	probe = p;
	publisher = frame->publisher;
	if (!met)
		must(mouth->ops->reach(mouth, p.reach.data, p.reach.bytes,
			     &alone) == 0,
			"the publisher cannot be reached");
	met = true;
}

static void hear(const uint8_t *data, uint32_t bytes)
{
	uint32_t place = heard_count % HEARD;
	struct msg_frame frame;

	if (bytes > STRIDE ||
		msg_frame_read(data, bytes, &frame) != MSG_FRAME_OK)
		return;
	memcpy(heard[place], data, bytes);
	heard_bytes[place] = bytes;
	heard_count++;
	note_probe(&frame, data + MSG_FRAME_HEADER_BYTES);
}

static void listen_in(void)
{
	struct msg_link_event events[32];
	int n = ear->ops->poll(ear, events, 32);

	must(n >= 0, "the lane failed");
	for (int i = 0; i < n; i++) {
		const struct msg_link_event *e = &events[i];

		if (e->type == MSG_LINK_RECEIVED)
			hear(ear_at(e->token), e->bytes);
		must(ear->ops->post(ear, ear_at(e->token), bytes_max, e->token,
			     false) == 0,
			"cannot post a buffer again");
	}
}

/* ---- saying -------------------------------------------------------------- */

static uint8_t *mouth_at(void)
{
	return memory + (size_t)(EARS + said % MOUTHS) * STRIDE;
}

static void settle(void)
{
	struct msg_link_event events[32];
	int n = mouth->ops->poll(mouth, events, 32);

	for (int i = 0; i < n; i++)
		settled = events[i].token + 1;
}

/* What stands at mouth_at. */
static void say(uint32_t to, uint32_t bytes)
{
	uint64_t limit = now_ns() + PATIENCE_S * UINT64_C(1000000000);
	struct msg_link_send send = {
		.iov = {{mouth_at(), bytes}},
		.iov_count = 1,
		.group = to,
		.token = said,
		.signal = true,
	};

	while (said - settled >= MOUTHS / 2 ||
		mouth->ops->send(mouth, &send) == -MSG_ERROR_AGAIN) {
		settle();
		must(now_ns() < limit, "the lane takes nothing");
	}
	said++;
}

static void replay(bool cut)
{
	uint32_t known = heard_count < HEARD ? heard_count : HEARD;
	uint32_t place = below(known);
	uint32_t bytes = heard_bytes[place];

	memcpy(mouth_at(), heard[place], bytes);
	say(group, cut ? 1 + below(bytes) : bytes);
}

static void say_far_frame(void)
{
	struct msg_frame frame = {
		.type = MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE,
		.bytes = MSG_FRAME_HEADER_BYTES + 64,
		.tag = tag,
		.publisher = publisher,
		.transmission = probe.next + 2 * MSG_RECOVER_LEAP +
				below(1u << 30),
		.sequence = random_next(&dice),
	};

	if (below(2))
		frame.flags |= MSG_FRAME_REPAIR;
	msg_frame_write(mouth_at(), &frame);
	memset(mouth_at() + MSG_FRAME_HEADER_BYTES, 0xee, 64);
	say(group, frame.bytes);
}

static void say_wrong_probe(void)
{
	struct msg_probe wrong = {
		.incarnation = (random_next(&dice) | 1) << 32 | publisher,
		.stamp = random_next(&dice),
		.next_sequence = random_next(&dice),
		.first_sequence = random_next(&dice),
		.next = (uint32_t)random_next(&dice),
		.first = (uint32_t)random_next(&dice),
		.serial = (uint32_t)random_next(&dice),
		.period_ms = 100,
		.flags = (uint8_t)below(MSG_PROBE_FLAGS + 1),
		.reach = probe.reach,
	};

	if (wrong.incarnation == probe.incarnation)
		return;
	say(group, msg_probe_write(mouth_at(), &wrong, tag, publisher));
}

static void say_wrong_report(void)
{
	struct msg_report report = {
		.receiver = random_next(&dice) | 1,
		.stamp = random_next(&dice),
		.heard = probe.next + 64 - below(128),
		.serial = (uint32_t)random_next(&dice),
		.position = probe.next + 64 - below(4096),
		.window = below(2) * below(1u << 20),
		.rtt_ns = below(2) * below(1u << 30),
		.count = (uint16_t)below(MSG_REPORT_FRAMES_MAX + 1),
	};

	report.base = below(4) ? report.position : (uint32_t)random_next(&dice);
	if (below(2)) {
		/* As good as true: all that was sent was heard, and missed. */
		report.heard = probe.next;
		report.serial = probe.serial;
		report.count = (uint16_t)below(65);
		report.position = report.base = probe.next - report.count;
	}
	report.reach.bytes =
		(uint8_t)mouth->ops->name(mouth, report.reach.data);
	for (uint32_t i = 0; i < report.count; i++)
		report.missing[i / 8] |= (uint8_t)(below(2) << i % 8);
	say(alone, msg_report_write(mouth_at(), &report, tag, publisher));
}

static void say_noise(void)
{
	uint32_t bytes = 1 + below(200);

	for (uint32_t i = 0; i < bytes; i++)
		mouth_at()[i] = (uint8_t)random_next(&dice);
	/* Half of it looks like the beginning of something. */
	if (below(2))
		mouth_at()[0] = (uint8_t)(1 | below(8) << 4);
	say(below(2) ? group : alone, bytes);
}

static void forge(void)
{
	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		replay(false);
		break;
	case 3:
		replay(true);
		break;
	case 4:
		say_far_frame();
		break;
	case 5:
		say_wrong_probe();
		break;
	case 6:
		say_wrong_report();
		break;
	default:
		say_noise();
		break;
	}
}

/* ---- the lane ------------------------------------------------------------ */

static const char *wish(const char *name, const char *otherwise)
{
	const char *text = getenv(name);

	return text ? text : otherwise;
}

static void open_links(const char *topic)
{
	struct msg_link_domain_options where = {
		.device = wish("MSG_DEVICE", NULL),
		.interface = wish("MSG_INTERFACE", NULL),
		.ttl = 1,
		.family = AF_INET,
	};
	struct msg_link_options links = {
		.memory_bytes = (size_t)(EARS + MOUTHS) * STRIDE};
	char text[MSG_LINK_TEXT_BYTES] = "";
	struct msg_link_domain *domain;
	struct msg_groups groups;
	uint32_t index, handle;
	uint16_t port = (uint16_t)atoi(wish("MSG_PORT", PORT));

	tag = msg_name_tag(topic);
	memory = aligned_alloc(4096, links.memory_bytes);
	must(memory != NULL, "no memory");
	links.memory = memory;
	must(msg_link_module.open(&where, &domain, text) == 0, text);
	bytes_max = domain->receive_bytes;
	must(bytes_max + MSG_LINK_HEADROOM <= STRIDE, "frames are too large");
	must(msg_groups_parse(&groups, wish("MSG_GROUPS", MSG_GROUPS_DEFAULT),
		     port) == 0,
		msg_trail_text());
	index = msg_name_group(topic, groups.count);
	links.receive_count = EARS;
	links.port = port;
	must(domain->ops->link_open(domain, &links, &ear, text) == 0, text);
	for (uint32_t i = 0; i < ear->receive_count && i < EARS; i++)
		must(ear->ops->post(ear, ear_at(i), bytes_max, i, false) == 0,
			"cannot post a buffer");
	must(msg_groups_join(&groups, ear, index, MSG_LINK_JOIN_RECEIVE, topic,
		     &handle) == 0,
		msg_trail_text());
	links.receive_count = 0;
	links.send_count = MOUTHS;
	links.port = 0;
	must(domain->ops->link_open(domain, &links, &mouth, text) == 0, text);
	must(msg_groups_join(&groups, mouth, index, MSG_LINK_JOIN_SEND, topic,
		     &group) == 0,
		msg_trail_text());
}

int main(int argc, char **argv)
{
	uint64_t count, ns, start, limit;

	if (argc != 5) {
		fprintf(stderr, "usage: forger TOPIC COUNT MS SEED\n");
		return 2;
	}
	count = strtoull(argv[2], NULL, 0);
	ns = strtoull(argv[3], NULL, 0) * 1000000;
	dice.state = strtoull(argv[4], NULL, 0);
	open_links(argv[1]);
	printf("ready\n");
	fflush(stdout);
	limit = now_ns() + PATIENCE_S * UINT64_C(1000000000);
	while (!met) {
		listen_in();
		must(now_ns() < limit, "nothing is heard of the topic");
	}
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		do
			listen_in();
		while ((now_ns() - start) / 1000 * count < i * (ns / 1000));
		forge();
	}
	while (said != settled && now_ns() < start + ns + UINT64_C(1000000000))
		settle();
	printf("said %u, %u heard\n", said, heard_count);
	return 0;
}
