/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_frame.c - datagrams from a hostile network, one stream of them.
 *
 * An input is a byte of set-up and then steps: raw datagrams, datagrams made
 * well around the stream's position (so that the fuzzer meets the window and
 * the gaps without having to guess 64-bit numbers), evidence, and time.  Every
 * datagram goes the way of the engine: header, then pack, fragment or
 * announcement, then the sequence.  What was read must write back to the same
 * bytes, and support/receiver.c checks the books after each step.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/pack.h"
#include "receiver.h"
#include "topic/announce.h"

#define DATAGRAM_BYTES_MAX 1280u

struct run {
	const uint8_t *input;
	size_t left;
	uint64_t now;
	struct receiver receiver;
};

/* ---- the input, a number at a time; zeros behind its end --------------- */

static uint8_t take8(struct run *run)
{
	if (run->left == 0)
		return 0;
	run->left--;
	return *run->input++;
}

static uint64_t take64(struct run *run)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | take8(run);
	return value;
}

/* A sequence near the position. */
static uint64_t take_place(struct run *run)
{
	return run->receiver.sequence.sequence +
	       (uint64_t)(int64_t)(int8_t)take8(run);
}

/* ---- what arrived ------------------------------------------------------ */

/* Packed again, a body is the same, but for padding that was not zero. */
static void check_repack(const uint8_t *body, uint32_t bytes)
{
	static uint8_t again[65536], clean[65536];
	struct msg_pack_reader reader;
	struct msg_pack pack;
	const uint8_t *data;
	uint32_t length;

	memset(clean, 0, bytes);
	msg_pack_start(&pack, bytes);
	MUST(msg_pack_open(&reader, body, bytes) >= 2);
	memcpy(clean + reader.end, body + reader.end, bytes - reader.end);
	while (msg_pack_next(&reader, &data, &length)) {
		MUST(data >= body && length <= bytes);
		MUST((size_t)(data - body) == pack.used);
		MUST(msg_pack_fits(&pack, length));
		memcpy(clean + pack.used, data, length);
		memcpy(again + pack.used, data, length);
		msg_pack_add(&pack, length);
	}
	MUST(msg_pack_finish(&pack, again) == bytes);
	MUST(memcmp(again, clean, bytes) == 0);
}

static void arrive_packed(struct run *run, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes)
{
	struct msg_pack_reader reader;
	int count = msg_pack_open(&reader, body, bytes);
	struct msg_span span;

	if (count < 0)
		return;
	check_repack(body, bytes);
	span = msg_span_messages(frame->sequence, (uint32_t)count);
	receiver_frame(&run->receiver, &span, run->now);
}

static void arrive_fragment(struct run *run, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes)
{
	uint8_t again[MSG_FRAGMENT_HEADER_BYTES];
	struct msg_fragment fragment;
	struct msg_span span;

	if (!msg_fragment_read(body, bytes, &fragment))
		return;
	MUST(fragment.bytes == bytes - MSG_FRAGMENT_HEADER_BYTES);
	msg_fragment_write(again, &fragment);
	MUST(memcmp(again, body, sizeof again) == 0);
	span = msg_span_fragment(frame->sequence, &fragment);
	receiver_frame(&run->receiver, &span, run->now);
}

static void arrive_announce(
	struct run *run, const uint8_t *body, uint32_t bytes)
{
	struct msg_announcement announcement;

	if (msg_announce_unpack(&announcement, body, bytes))
		receiver_told(
			&run->receiver, announcement.next_sequence, run->now);
}

static void arrive_body(
	struct run *run, const struct msg_frame *frame, const uint8_t *body)
{
	uint32_t bytes = frame->bytes - MSG_FRAME_HEADER_BYTES;
	struct msg_span span = msg_span_messages(frame->sequence, 1);

	switch (frame->type) {
	case MSG_FRAME_SINGLE:
		receiver_frame(&run->receiver, &span, run->now);
		break;
	case MSG_FRAME_PACKED:
		arrive_packed(run, frame, body, bytes);
		break;
	case MSG_FRAME_FRAGMENT:
		arrive_fragment(run, frame, body, bytes);
		break;
	case MSG_FRAME_ANNOUNCE:
		arrive_announce(run, body, bytes);
		break;
	case MSG_FRAME_PROBE: /* Read by others: most by fuzz_report.c. */
	case MSG_FRAME_REPORT:
	case MSG_FRAME_LARGE:
	case MSG_FRAME_SHELF:
	case MSG_FRAME_QUESTION:
	case MSG_FRAME_ANSWER:
		break;
	default: /* The header's check let it by. */
		must_failed("a known type", __FILE__, __LINE__);
	}
}

static void arrive(struct run *run, const uint8_t *datagram, size_t bytes)
{
	uint8_t again[MSG_FRAME_HEADER_BYTES];
	struct msg_frame frame;
	/* Of the exact size, so that a sanitizer sees a byte too far. */
	uint8_t *exact = malloc(bytes ? bytes : 1);

	MUST(exact);
	memcpy(exact, datagram, bytes);
	if (msg_frame_read(exact, bytes, &frame) == MSG_FRAME_OK) {
		MUST(frame.bytes <= bytes);
		MUST(frame.type >= MSG_FRAME_SINGLE);
		msg_frame_write(again, &frame);
		MUST(memcmp(again, exact, sizeof again) == 0);
		arrive_body(run, &frame, exact + MSG_FRAME_HEADER_BYTES);
	}
	free(exact);
}

/* ---- the steps --------------------------------------------------------- */

static void step_raw(struct run *run)
{
	size_t bytes = take8(run);

	bytes |= (size_t)take8(run) << 8;
	if (bytes > run->left)
		bytes = run->left;
	arrive(run, run->input, bytes);
	run->input += bytes;
	run->left -= bytes;
}

/* Send a body that stands in `datagram` behind the header's place. */
static void transmit(struct run *run, uint8_t *datagram, uint8_t type,
	uint64_t sequence, uint32_t body_bytes)
{
	struct msg_frame frame = {
		.type = type,
		.bytes = (uint16_t)(MSG_FRAME_HEADER_BYTES + body_bytes),
		.sequence = sequence,
	};

	msg_frame_write(datagram, &frame);
	arrive(run, datagram, frame.bytes);
}

static void step_packed(struct run *run, uint32_t count, uint64_t sequence)
{
	uint8_t datagram[DATAGRAM_BYTES_MAX] = {0};
	uint8_t *body = datagram + MSG_FRAME_HEADER_BYTES;
	struct msg_pack pack;

	msg_pack_start(&pack, sizeof datagram - MSG_FRAME_HEADER_BYTES);
	while (count-- > 0) {
		uint32_t bytes = take8(run) & 31;

		MUST(msg_pack_fits(&pack, bytes));
		msg_pack_add(&pack, bytes);
	}
	transmit(run, datagram, MSG_FRAME_PACKED, sequence,
		msg_pack_finish(&pack, body));
}

/* One of up to eight parts of 8 bytes. */
static void step_fragment(struct run *run, uint32_t parts, uint64_t sequence)
{
	uint8_t datagram[DATAGRAM_BYTES_MAX] = {0};
	struct msg_fragment fragment = {8 * parts, 8 * (take8(run) % parts), 8};

	msg_fragment_write(datagram + MSG_FRAME_HEADER_BYTES, &fragment);
	transmit(run, datagram, MSG_FRAME_FRAGMENT, sequence,
		MSG_FRAGMENT_HEADER_BYTES + fragment.bytes);
}

static void step_single(struct run *run, uint32_t bytes, uint64_t sequence)
{
	uint8_t datagram[DATAGRAM_BYTES_MAX] = {0};

	transmit(run, datagram, MSG_FRAME_SINGLE, sequence, bytes);
}

static void step(struct run *run)
{
	uint8_t what = take8(run);
	uint32_t size = what >> 3;

	switch (what & 7) {
	case 0:
		step_raw(run);
		break;
	case 1:
		step_single(run, size, take_place(run));
		break;
	case 2:
		step_packed(run, 2 + size, take_place(run));
		break;
	case 3:
		step_fragment(run, 2 + size % 7, take_place(run));
		break;
	case 4:
		receiver_told(&run->receiver, take_place(run), run->now);
		break;
	case 5:
		run->now += (uint64_t)take8(run) << size;
		break;
	case 6:
		receiver_tick(&run->receiver, run->now);
		break;
	case 7:
		if (size & 1)
			receiver_told(&run->receiver, take64(run), run->now);
		else
			step_single(run, size, take64(run));
		break;
	}
}

static void ignore(void *context, const struct msg_span *span, uint64_t lost)
{
	(void)context;
	(void)span;
	(void)lost;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const uint64_t allowances[] = {0, 1, 100, UINT64_MAX};
	static const uint64_t starts[] = {
		0, UINT32_MAX - 8, INT64_MAX - 8, UINT64_MAX - 8};
	struct run run = {.input = data, .left = bytes};
	uint8_t setup = take8(&run);

	receiver_start(&run.receiver, allowances[setup & 3], ignore, NULL);
	if (setup & 16)
		receiver_told(&run.receiver, starts[setup >> 2 & 3], 0);
	else if (setup & 32)
		step_single(&run, 0, starts[setup >> 2 & 3]);
	while (run.left > 0)
		step(&run);
	receiver_tick(&run.receiver, UINT64_MAX);
	return 0;
}
