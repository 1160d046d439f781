/* SPDX-License-Identifier: BSD-2-Clause */
/* recover_story.c - see recover_story.h. */
#include "recover_story.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct follower reader;
char story[4096];
struct msg_report last_report;

static char said[4096];

static void add(char *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof story - used, format, args);
	va_end(args);
}

static void tell(void *context, const struct msg_frame *header,
	const struct msg_span *span, uint64_t lost)
{
	(void)context;
	(void)header;
	if (lost > 0)
		add(story, "!%llu ", (unsigned long long)lost);
	add(story, "%lld", (long long)span->sequence);
	if (span->offset > 0 || span->end_offset > 0)
		add(story, "@%u", span->offset);
	add(story, " ");
}

struct msg_recover_options story_options(void)
{
	return (struct msg_recover_options){
		.window = WINDOW,
		.receiver = 77,
		.reorder_ns = REORDER,
		.give_up_ns = GIVE_UP,
		.reach = {2, {1, 2}},
	};
}

void story_begin_with(struct msg_recover_options options)
{
	story[0] = '\0';
	follower_start(&reader, &options, tell, NULL);
}

void story_begin(void)
{
	story_begin_with(story_options());
}

static enum msg_recover_verdict send(
	struct msg_frame header, struct follower_body body, uint64_t now)
{
	return follower_frame(&reader, &header, &body, now);
}

enum msg_recover_verdict frame(
	uint32_t n, uint64_t sequence, uint32_t count, uint64_t now)
{
	return send((struct msg_frame){.type = MSG_FRAME_PACKED,
			    .flags = MSG_FRAME_RELIABLE,
			    .transmission = n,
			    .sequence = sequence},
		(struct follower_body){.count = count}, now);
}

enum msg_recover_verdict one(uint32_t n, uint64_t now)
{
	return frame(n, n, 1, now);
}

enum msg_recover_verdict send_repair_of(
	uint32_t n, uint64_t sequence, uint32_t serial, uint64_t now)
{
	return send((struct msg_frame){.type = MSG_FRAME_SINGLE,
			    .flags = MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR,
			    .transmission = n,
			    .sequence = (uint64_t)serial << 32 |
					(uint32_t)sequence},
		(struct follower_body){.count = 1}, now);
}

enum msg_recover_verdict repair(uint32_t n, uint32_t serial, uint64_t now)
{
	return send_repair_of(n, n, serial, now);
}

enum msg_recover_verdict part(
	uint32_t n, uint64_t sequence, uint32_t offset, uint64_t now)
{
	return send((struct msg_frame){.type = MSG_FRAME_FRAGMENT,
			    .flags = MSG_FRAME_RELIABLE,
			    .transmission = n,
			    .sequence = sequence},
		(struct follower_body){.fragment = {30, offset, 10}}, now);
}

struct msg_probe probe_of(uint32_t next)
{
	return (struct msg_probe){
		.incarnation = 9,
		.next = next,
		.next_sequence = next,
		.period_ms = 100,
		.reach = {2, {8, 9}},
	};
}

bool probe_with(struct msg_probe p, uint64_t now)
{
	if (p.stamp == 0)
		p.stamp = now + 1;
	return follower_probe(&reader, &p, now);
}

bool probe(uint32_t next, uint64_t now)
{
	return probe_with(probe_of(next), now);
}

void tick(uint64_t now)
{
	follower_tick(&reader, now);
}

const char *asked(uint64_t now)
{
	struct msg_report report;

	said[0] = '\0';
	while (follower_report(&reader, now, &report)) {
		last_report = report;
		if (said[0])
			add(said, " | ");
		add(said, "%s", report.flags & MSG_REPORT_JOIN ? "join" : "");
		if (report.count == 0 && !report.flags)
			add(said, "at %u", report.position);
		for (uint32_t i = 0; i < report.count; i++)
			if (msg_report_misses(&report, i))
				add(said, "%s?%u", i > 0 ? " " : "",
					report.base + i);
	}
	return said;
}
