/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair_story.c - see repair_story.h.
 */
#include "repair_story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct msg_repair repair;
struct msg_repair_record records[HISTORY];
char story[65536];
uint64_t story_now;

void begin_with(const struct msg_repair_options *options)
{
	memset(records, 0, sizeof records);
	msg_repair_start(&repair, options, records);
	story[0] = '\0';
	story_now = 1000 * MSG_NS_PER_S;
}

void begin_paced(uint64_t first, uint64_t rate, uint32_t burst)
{
	const struct msg_repair_options options = {
		.history = HISTORY,
		.first_frame = first,
		.heartbeat_ns = HEARTBEAT,
		.rtt_ns = RTT,
		.repair_bytes = rate,
		.burst = burst,
	};

	begin_with(&options);
}

void begin(uint64_t first)
{
	begin_paced(first, 0, 0);
}

void sent(uint32_t count)
{
	while (count-- > 0)
		msg_repair_sent(&repair, 100);
}

struct msg_report report_of(
	uint64_t receiver, uint64_t heard, uint32_t serial, const char *missing)
{
	struct msg_report report = {.receiver = receiver,
		.heard = (uint32_t)heard,
		.serial = serial};
	bool first = true;
	char *end;

	for (; *missing; missing = *end ? end + 1 : end) {
		uint32_t frame = (uint32_t)strtol(missing, &end, 10);
		uint32_t bit;

		if (first)
			report.base = frame;
		first = false;
		bit = frame - report.base;
		report.missing[bit / 8] |= (uint8_t)(1u << bit % 8);
		report.count = (uint16_t)(bit + 1);
	}
	report.position = report.count > 0 ? report.base : report.heard;
	return report;
}

static void add(const struct msg_repair_action *action)
{
	char *at = story + strlen(story);
	size_t room = sizeof story - strlen(story);
	char kind = "-umap"[action->kind];

	ck_assert_uint_gt(room, 100);
	if (at != story)
		*at++ = ' ';
	if (action->kind == MSG_REPAIR_UNICAST ||
		action->kind == MSG_REPAIR_MULTICAST)
		snprintf(at, room - 1, "%c%" PRIu64 "#%u", kind, action->frame,
			action->serial);
	else
		snprintf(at, room - 1, "%c%s%s%s", kind,
			action->flags & MSG_PROBE_ASK ? "A" : "",
			action->flags & MSG_PROBE_JOIN ? "J" : "",
			action->flags & MSG_PROBE_CROWD ? "C" : "");
}

void drain(void)
{
	struct msg_repair_action action;

	for (;;) {
		msg_repair_next(&repair, story_now, &action);
		if (action.kind == MSG_REPAIR_NOTHING)
			return;
		add(&action);
	}
}

void told(const struct msg_report *report)
{
	ck_assert(msg_repair_report(&repair, report, story_now));
	drain();
}

void ask(
	uint64_t receiver, uint64_t heard, uint32_t serial, const char *missing)
{
	const struct msg_report report =
		report_of(receiver, heard, serial, missing);

	told(&report);
}

void due(uint64_t now)
{
	struct msg_repair_action action;

	msg_repair_due(&repair, now, &action);
	ck_assert_uint_eq(action.stamp, now);
	if (action.kind != MSG_REPAIR_NOTHING)
		add(&action);
}
