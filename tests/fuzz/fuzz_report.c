/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_report.c - probes, reports, large messages and shelves from a hostile
 * network.
 *
 * An input is one datagram; or, of 40 bytes, what a publisher says of its history,
 * or a frame's place there.  What the header's check lets by goes to the reader
 * of its type; what that found good is in its ranges, and writes back to the
 * same bytes.  So nothing of a good frame is overlooked.
 */
#include "fuzz.h"

#include <string.h>

#include "protocol/fragment.h"
#include "protocol/large.h"
#include "protocol/report.h"
#include "protocol/shelf.h"
#include "receiver.h"

static void check_reach(const struct msg_reach *reach)
{
	MUST(reach->bytes <= MSG_REACH_BYTES_MAX);
	for (uint32_t i = reach->bytes; i < MSG_REACH_BYTES_MAX; i++)
		MUST(reach->data[i] == 0);
}

static void check_probe(const struct msg_frame *frame, const uint8_t *data)
{
	uint8_t again[MSG_FRAME_HEADER_BYTES + MSG_PROBE_BYTES];
	struct msg_probe probe;

	if (!msg_probe_read(&probe, frame, data + MSG_FRAME_HEADER_BYTES))
		return;
	check_reach(&probe.reach);
	MUST((uint32_t)probe.incarnation == frame->publisher);
	MUST(probe.period_ms >= 10 && probe.period_ms <= 60000);
	MUST(probe.next - probe.first <= INT32_MAX);
	MUST(probe.next_sequence - probe.first_sequence <=
		UINT64_C(1024) * (probe.next - probe.first));
	MUST(msg_probe_write(again, &probe, frame->tag, frame->publisher) ==
		frame->bytes);
	MUST(memcmp(again, data, frame->bytes) == 0);
}

static void check_report(const struct msg_frame *frame, const uint8_t *data)
{
	uint8_t again[MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX];
	struct msg_report report;

	if (!msg_report_read(&report, frame, data + MSG_FRAME_HEADER_BYTES))
		return;
	check_reach(&report.reach);
	MUST(report.count <= MSG_REPORT_FRAMES_MAX);
	for (uint32_t i = report.count; i < MSG_REPORT_FRAMES_MAX; i++)
		MUST(!msg_report_misses(&report, i));
	MUST(msg_report_write(again, &report, frame->tag, frame->publisher) ==
		frame->bytes);
	MUST(memcmp(again, data, frame->bytes) == 0);
}

static void check_large(const struct msg_frame *frame, const uint8_t *data)
{
	const uint8_t *body = data + MSG_FRAME_HEADER_BYTES;
	uint8_t again[MSG_LARGE_BYTES];
	struct msg_large large;

	if (!msg_large_read(body, frame->bytes - MSG_FRAME_HEADER_BYTES, &large))
		return;
	check_reach(&large.reach);
	MUST(large.total <= MSG_LARGE_TOTAL_MAX);
	MUST(large.address >= MSG_LARGE_SEAL_AT);
	MUST(large.address + large.total >= large.address);
	MUST(large.serial != 0 && large.reach.bytes > 0);
	msg_large_write(again, &large);
	MUST(memcmp(again, body, sizeof again) == 0);
}

static void check_shelf(const struct msg_frame *frame, const uint8_t *data)
{
	uint8_t again[MSG_SHELF_FRAME_BYTES];
	struct msg_reach reach;

	if (!msg_shelf_hear(&reach, frame, data + MSG_FRAME_HEADER_BYTES))
		return;
	check_reach(&reach);
	MUST(reach.bytes > 0);
	msg_shelf_say(again, &reach, frame->tag, frame->publisher);
	MUST(memcmp(again, data, sizeof again) == 0);
}

static void check_answer(const uint8_t *data)
{
	uint8_t again[MSG_SHELF_ANSWER_BYTES];
	struct msg_shelf shelf;

	if (!msg_shelf_read(&shelf, data, sizeof again))
		return;
	MUST(msg_shelf_place_at(&shelf, UINT32_MAX) <=
		MSG_SHELF_HEAD_BYTES +
			(shelf.places - UINT64_C(1)) * MSG_SHELF_PLACE_BYTES);
	msg_shelf_write(again, &shelf);
	MUST(memcmp(again, data, sizeof again) == 0);
}

/* What stands in front of a frame is in order whatever its place says. */
static void check_place(const uint8_t *data)
{
	uint8_t again[MSG_SHELF_PLACE_BYTES];
	static uint8_t front[65600]; /* As much as a buffer of a connection. */
	struct msg_shelf_place place;
	struct msg_fragment part;
	struct msg_frame frame;

	if (!msg_shelf_place_read(
		    &place, data, msg_load32(data + 16), sizeof front))
		return;
	msg_shelf_place_write(again, &place);
	MUST(memcmp(again, data, sizeof again) == 0);
	MUST(msg_shelf_front(front, &place, 1, 2, 3) <=
		MSG_SHELF_FRONT_BYTES_MAX);
	MUST(msg_frame_read(front, msg_shelf_frame_bytes(&place), &frame) ==
		MSG_FRAME_OK);
	MUST(frame.type != MSG_FRAME_FRAGMENT || place.table > 0 ||
		msg_fragment_read(front + MSG_FRAME_HEADER_BYTES,
			frame.bytes - MSG_FRAME_HEADER_BYTES, &part));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct msg_frame frame;

	if (bytes == MSG_SHELF_ANSWER_BYTES) {
		check_answer(data);
		check_place(data);
	}
	if (msg_frame_read(data, bytes, &frame) != MSG_FRAME_OK)
		return 0;
	if (frame.type == MSG_FRAME_PROBE)
		check_probe(&frame, data);
	else if (frame.type == MSG_FRAME_REPORT)
		check_report(&frame, data);
	else if (frame.type == MSG_FRAME_LARGE)
		check_large(&frame, data);
	else if (frame.type == MSG_FRAME_SHELF)
		check_shelf(&frame, data);
	return 0;
}
