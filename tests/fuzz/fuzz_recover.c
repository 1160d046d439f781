/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_recover.c - a reliable stream from a hostile network.
 *
 * An input is four bytes of set-up and then steps: frames and probes made
 * around the position (so that the fuzzer meets the window and the gaps
 * without having to guess numbers), or anywhere; time; the reader's own reports;
 * and what its engine does meanwhile: room for so many, histories that are read,
 * messages that stay where they are.  support/follower.c checks the books after
 * each step, and here a report must fit the stream and pass its own codec.
 */
#include "fuzz.h"

#include <string.h>

#include "follower.h"

struct run {
	const uint8_t *input;
	size_t left;
	uint64_t now;
	bool pauses; /* Behind the next frame that is delivered. */
	struct follower follower;
};

/* ---- the input, a number at a time; zeros behind its end --------------- */

static uint8_t take8(struct run *run)
{
	if (run->left == 0)
		return 0;
	run->left--;
	return *run->input++;
}

static uint32_t take32(struct run *run)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value = value << 8 | take8(run);
	return value;
}

/* A little less or more. */
static uint64_t take_near(struct run *run, uint64_t around)
{
	return around + (uint64_t)(int64_t)(int8_t)take8(run);
}

/* ---- the steps --------------------------------------------------------- */

static void deliver(void *context, const struct msg_frame *frame,
	const struct msg_span *span, uint64_t lost)
{
	struct run *run = context;

	(void)lost;
	MUST(frame->flags & MSG_FRAME_RELIABLE);
	MUST(span->end_sequence - span->sequence <= 1024);
	if (run->pauses)
		msg_recover_pause(&run->follower.recover);
	run->pauses = false;
}

/* A number and a sequence: near, or one of them anywhere. */
static void arrive(struct run *run, uint8_t flags, unsigned wild,
	struct follower_body body)
{
	struct msg_recover *r = &run->follower.recover;
	struct msg_frame frame = {.type = MSG_FRAME_SINGLE, .flags = flags};

	frame.transmission =
		wild & 1 ? take32(run) : (uint32_t)take_near(run, r->next);
	frame.sequence = wild & 2 ? (uint64_t)take32(run) << 32 | take32(run)
				  : take_near(run, r->sequence);
	if (flags & MSG_FRAME_REPAIR)
		frame.sequence = take_near(run, r->serial) << 32 |
				 (uint32_t)frame.sequence;
	follower_frame(&run->follower, &frame, &body, run->now);
}

static void step_messages(struct run *run, unsigned size, uint8_t flags)
{
	struct follower_body body = {.count = 1 + (size & 7)};

	arrive(run, flags, size >> 3, body);
}

static void step_fragment(struct run *run, unsigned size)
{
	struct follower_body body = {.fragment = {24, 8 * (size & 3) % 24, 8}};

	arrive(run, MSG_FRAME_RELIABLE, size >> 3, body);
}

static void step_probe(struct run *run, unsigned size)
{
	const struct msg_recover *r = &run->follower.recover;
	uint8_t bits = take8(run);
	uint32_t back = take8(run);
	struct msg_probe probe = {
		.incarnation = 1 + (bits >> 7),
		.stamp = take_near(run, r->told_stamp),
		.serial = (uint32_t)take_near(run, r->serial),
		.period_ms = (uint16_t)(10 + take8(run)),
		.flags = bits & MSG_PROBE_FLAGS,
		.reach = {.bytes = bits >> 5 & 1},
	};

	probe.next = size & 1 ? take32(run) : (uint32_t)take_near(run, r->top);
	if (size & 2)
		back = take32(run) & INT32_MAX;
	probe.first = probe.next - back;
	probe.first_sequence = take_near(run, r->sequence);
	probe.next_sequence =
		probe.first_sequence +
		(back == 0 ? 0 : take32(run) % (1024 * (uint64_t)back + 1));
	if (follower_probe(&run->follower, &probe, run->now))
		MUST(r->incarnation == probe.incarnation);
	else
		MUST(r->incarnation != probe.incarnation);
}

/* What it says must be readable, and true of itself. */
static void check_report(struct run *run, const struct msg_report *report)
{
	const struct msg_recover *r = &run->follower.recover;
	uint8_t data[MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX];
	uint32_t bytes = msg_report_write(data, report, 0, 0);
	struct msg_report again;
	struct msg_frame frame;

	MUST(msg_frame_read(data, bytes, &frame) == MSG_FRAME_OK);
	MUST(msg_report_read(&again, &frame, data + MSG_FRAME_HEADER_BYTES));
	MUST(report->position == (uint32_t)r->next - r->paused);
	MUST(report->heard - (uint32_t)r->next <= r->top - r->next);
	for (uint32_t bit = 0; bit < report->count; bit++) {
		uint64_t n = msg_frame_near(r->next, report->base + bit);
		uint64_t at = n & (r->options.window - 1);

		if (!msg_report_misses(report, bit))
			continue;
		MUST(n >= r->next && n < r->scanned);
		MUST(report->heard - (uint32_t)r->next > n - r->next);
		MUST(r->missing[at / 64] >> (at % 64) & 1);
	}
}

/* At one moment each report asks for what none of the others did: in a crowd each
 * draws another wait, which may make more due.  Besides, one says how far we are,
 * and one answers. */
static void step_report(struct run *run)
{
	const struct msg_recover *r = &run->follower.recover;
	struct msg_report report;
	unsigned count = 0, plain = 0;

	while (follower_report(&run->follower, run->now, &report)) {
		check_report(run, &report);
		plain += report.count == 0;
		MUST(plain <= 2);
		MUST(++count <= 2 + (r->crowd ? r->options.window : 0));
	}
}

/* A goodbye that tells of an end near the position, or anywhere; or that it was
 * none. */
static void step_end(struct run *run, unsigned size)
{
	struct msg_recover *r = &run->follower.recover;

	if (size == 1)
		msg_recover_end(r, take_near(run, r->sequence), run->now);
	else if (size == 2)
		msg_recover_end(r, r->sequence + ((uint64_t)take32(run) << 8),
			run->now);
	else
		msg_recover_goes_on(r);
}

/* What it can have without asking. */
static void step_fetch(struct run *run)
{
	struct msg_recover *r = &run->follower.recover;
	uint32_t most = 1 + take8(run);
	uint64_t frame;
	uint32_t count = msg_recover_fetch(r, most, &frame);

	MUST(count <= most);
	for (uint64_t n = frame; count > 0 && n < frame + count; n++) {
		uint64_t at = n & (r->options.window - 1);

		MUST(n >= r->next && n < r->scanned);
		MUST(r->missing[at / 64] >> (at % 64) & 1);
	}
}

/* What its engine does besides. */
static void step_engine(struct run *run, unsigned what)
{
	struct msg_recover *r = &run->follower.recover;
	struct msg_report report;

	switch (what) {
	case 0:
		msg_recover_room(r, take8(run));
		break;
	case 1:
		msg_recover_fetches(r, take8(run) & 1, run->now);
		break;
	case 2:
		step_fetch(run);
		break;
	case 3:
		msg_recover_unfetch(r, run->now);
		break;
	case 4:
		run->pauses = true;
		break;
	case 5:
		if (r->paused)
			msg_recover_read(r, take8(run));
		break;
	case 6:
		if (r->paused)
			msg_recover_resume(r);
		follower_tick(&run->follower, run->now);
		break;
	case 7:
		if (msg_recover_inquire(r, &report))
			MUST(report.flags & MSG_REPORT_JOIN);
		break;
	case 8:
		msg_recover_wish(r, UINT64_C(1) << take8(run) % 64, what & 1);
		break;
	case 9:
		/* Others are short of slots. */
		run->pauses = false;
		if (!r->paused)
			follower_tick(&run->follower, UINT64_MAX);
		break;
	default:
		msg_recover_hasten(r);
		break;
	}
}

/* Of what is missing and to be had, the one half was asked for, or is fetched, the
 * other not. */
static void check_halves(const struct run *run)
{
	const struct msg_recover *r = &run->follower.recover;

	for (uint64_t n = r->next; n < r->scanned; n++) {
		uint64_t at = n & (r->options.window - 1);

		if (n >= r->first.frame &&
			(r->missing[at / 64] >> (at % 64) & 1))
			MUST((r->places[at].asked > 0) == (n < r->unasked));
	}
}

static void step(struct run *run)
{
	uint8_t what = take8(run);
	unsigned size = what >> 3;

	switch (what & 7) {
	case 0:
	case 1:
		step_messages(run, size, MSG_FRAME_RELIABLE);
		break;
	case 2:
		step_messages(run, size, MSG_FRAME_RELIABLE | MSG_FRAME_REPAIR);
		break;
	case 3:
		step_fragment(run, size);
		break;
	case 4:
		step_probe(run, size);
		break;
	case 5:
		run->now += (uint64_t)take8(run) << size;
		break;
	case 6:
		step_report(run);
		break;
	case 7:
		if (size == 0)
			step_messages(run, size, 0);
		else if (size <= 3)
			step_end(run, size);
		else if (size >= 8 && size < 19)
			step_engine(run, size - 8);
		else
			follower_tick(&run->follower, run->now);
		break;
	}
	check_halves(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct run run;
	struct msg_recover_options options = {
		.receiver = 5,
		.reach = {.bytes = 1},
	};

	run.input = data;
	run.left = bytes;
	run.now = 0;
	run.pauses = false;
	options.window = 16u << take8(&run) % 4;
	options.reorder_ns = (uint64_t)take8(&run) << 8;
	options.give_up_ns = UINT64_C(1) << take8(&run) % 64;
	options.history = take8(&run) & 15;
	options.seed = options.history;
	follower_start(&run.follower, &options, deliver, &run);
	while (run.left > 0)
		step(&run);
	run.pauses = false;
	if (run.follower.recover.paused)
		msg_recover_resume(&run.follower.recover);
	follower_tick(&run.follower, UINT64_MAX);
	return 0;
}
