/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.c - PROBE and REPORT, to bytes and back; see report.h for the layout.
 *
 * The readers check everything before they write anything.  Numbers whose
 * meaning depends on a stream (is `position` one of its frames?) are checked
 * by who keeps that stream: recover.c and repair.c.
 */
#include "protocol/report.h"

#include <assert.h>
#include <string.h>

#include "protocol/bytes.h"
#include "protocol/pack.h"

#define REACH_AT 40u /* In both bodies. */

static uint32_t bitmap_bytes(uint32_t count)
{
	return (count + 7) / 8;
}

uint32_t msg_probe_write(uint8_t *data, const struct msg_probe *probe,
	uint32_t tag, uint32_t publisher)
{
	const struct msg_frame frame = {
		.type = MSG_FRAME_PROBE,
		.bytes = MSG_FRAME_HEADER_BYTES + MSG_PROBE_BYTES,
		.tag = tag,
		.publisher = publisher,
		.transmission = probe->next,
		.sequence = probe->next_sequence,
	};
	uint8_t *body = data + MSG_FRAME_HEADER_BYTES;

	assert((uint32_t)probe->incarnation == publisher);
	assert((probe->flags & ~MSG_PROBE_FLAGS) == 0);
	msg_frame_write(data, &frame);
	msg_store64(body, probe->incarnation);
	msg_store64(body + 8, probe->stamp);
	msg_store64(body + 16, probe->first_sequence);
	msg_store32(body + 24, probe->first);
	msg_store32(body + 28, probe->serial);
	msg_store16(body + 32, probe->period_ms);
	body[34] = probe->flags;
	body[35] = probe->reach.bytes;
	msg_store32(body + 36, 0);
	msg_reach_write(body + REACH_AT, &probe->reach);
	return frame.bytes;
}

/* As many messages as so many frames can carry, and none without a frame. */
static bool probe_counts_fit(const struct msg_frame *frame, const uint8_t *body)
{
	uint64_t messages = frame->sequence - msg_load64(body + 16);
	uint32_t frames = frame->transmission - msg_load32(body + 24);

	return frames <= INT32_MAX &&
	       messages <= (uint64_t)frames * MSG_PACK_COUNT_MAX;
}

bool msg_probe_read(struct msg_probe *probe, const struct msg_frame *frame,
	const uint8_t *body)
{
	uint16_t period_ms;

	if (frame->bytes != MSG_FRAME_HEADER_BYTES + MSG_PROBE_BYTES)
		return false;
	period_ms = msg_load16(body + 32);
	if (msg_load32(body) != frame->publisher ||
		period_ms < MSG_PROBE_PERIOD_MS_MIN ||
		period_ms > MSG_PROBE_PERIOD_MS_MAX ||
		(body[34] & ~MSG_PROBE_FLAGS) != 0 ||
		msg_load32(body + 36) != 0 ||
		!msg_reach_is_sound(body + REACH_AT, body[35]) ||
		!probe_counts_fit(frame, body))
		return false;

	probe->incarnation = msg_load64(body);
	probe->stamp = msg_load64(body + 8);
	probe->next_sequence = frame->sequence;
	probe->first_sequence = msg_load64(body + 16);
	probe->next = frame->transmission;
	probe->first = msg_load32(body + 24);
	probe->serial = msg_load32(body + 28);
	probe->period_ms = period_ms;
	probe->flags = body[34];
	msg_reach_read(&probe->reach, body + REACH_AT, body[35]);
	return true;
}

uint32_t msg_report_write(uint8_t *data, const struct msg_report *report,
	uint32_t tag, uint32_t publisher)
{
	uint32_t bitmap = bitmap_bytes(report->count);
	const struct msg_frame frame = {
		.type = MSG_FRAME_REPORT,
		.bytes = (uint16_t)(MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES +
				    bitmap),
		.tag = tag,
		.publisher = publisher,
		.transmission = report->heard,
		.sequence = report->serial,
	};
	uint8_t *body = data + MSG_FRAME_HEADER_BYTES;

	assert(report->count <= MSG_REPORT_FRAMES_MAX);
	assert((report->flags & ~MSG_REPORT_FLAGS) == 0);
	msg_frame_write(data, &frame);
	msg_store64(body, report->receiver);
	msg_store64(body + 8, report->stamp);
	msg_store32(body + 16, report->position);
	msg_store32(body + 20, report->window);
	msg_store32(body + 24, report->base);
	msg_store16(body + 28, report->count);
	body[30] = report->flags;
	body[31] = report->reach.bytes;
	msg_store32(body + 32, report->history);
	msg_store32(body + 36, report->rtt_ns);
	msg_reach_write(body + REACH_AT, &report->reach);
	memcpy(body + MSG_REPORT_BYTES, report->missing, bitmap);
	return frame.bytes;
}

/* Exactly the bytes for `count` bits, and the rest of the last byte zero. */
static bool bitmap_is_sound(
	const struct msg_frame *frame, const uint8_t *body, uint32_t count)
{
	uint32_t bitmap = bitmap_bytes(count);

	if (count > MSG_REPORT_FRAMES_MAX ||
		frame->bytes !=
			MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES + bitmap)
		return false;
	return count % 8 == 0 ||
	       body[MSG_REPORT_BYTES + bitmap - 1] >> (count % 8) == 0;
}

bool msg_report_read(struct msg_report *report, const struct msg_frame *frame,
	const uint8_t *body)
{
	uint16_t count;

	if (frame->bytes < MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES)
		return false;
	count = msg_load16(body + 28);
	if (!bitmap_is_sound(frame, body, count) ||
		(body[30] & ~MSG_REPORT_FLAGS) != 0 ||
		!msg_reach_is_sound(body + REACH_AT, body[31]) ||
		frame->sequence > UINT32_MAX)
		return false;

	report->receiver = msg_load64(body);
	report->stamp = msg_load64(body + 8);
	report->heard = frame->transmission;
	report->serial = (uint32_t)frame->sequence;
	report->position = msg_load32(body + 16);
	report->window = msg_load32(body + 20);
	report->base = msg_load32(body + 24);
	report->history = msg_load32(body + 32);
	report->rtt_ns = msg_load32(body + 36);
	report->count = count;
	report->flags = body[30];
	msg_reach_read(&report->reach, body + REACH_AT, body[31]);
	memset(report->missing, 0, sizeof report->missing);
	memcpy(report->missing, body + MSG_REPORT_BYTES, bitmap_bytes(count));
	return true;
}
