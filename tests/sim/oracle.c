/* SPDX-License-Identifier: BSD-2-Clause */
/* oracle.c - the books of who published and who was given what; oracle.h. */
#include "oracle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

void truth_start(
	struct truth *truth, uint32_t publisher, uint64_t first_sequence)
{
	memset(truth, 0, sizeof *truth);
	truth->publisher = publisher;
	truth->first_sequence = first_sequence;
	truth->next_sequence = first_sequence;
	truth->gone_sequence = first_sequence;
}

void truth_end(struct truth *truth)
{
	free(truth->sizes);
	truth->sizes = NULL;
}

void truth_publish(struct truth *truth, uint32_t bytes)
{
	uint64_t index = truth->next_sequence++ - truth->first_sequence;

	if (index >= truth->sizes_room) {
		truth->sizes_room = truth->sizes_room ? 2 * index : 1024;
		truth->sizes = realloc(truth->sizes,
			truth->sizes_room * sizeof *truth->sizes);
		if (!truth->sizes)
			abort();
	}
	truth->sizes[index] = bytes;
}

uint32_t truth_bytes(const struct truth *truth, uint64_t sequence)
{
	return truth->sizes[sequence - truth->first_sequence];
}

void book_start(struct book *book, struct world *world,
	const struct truth *truth, uint32_t receiver, bool lossless,
	uint64_t give_up_ns)
{
	*book = (struct book){.world = world,
		.truth = truth,
		.receiver = receiver,
		.lossless = lossless,
		.patient_until = world->now + give_up_ns};
}

static void join(struct book *book, uint64_t sequence)
{
	if (book->started)
		return;
	book->started = true;
	book->start = sequence;
	book->expected = sequence;
}

/* Was it ever published? */
static bool is_known(const struct book *book, uint64_t sequence)
{
	const struct truth *truth = book->truth;

	return sequence - truth->first_sequence <
	       truth->next_sequence - truth->first_sequence;
}

void book_message(struct book *book, uint64_t sequence, const uint8_t *data,
	uint32_t bytes)
{
	join(book, sequence);
	world_note(book->world, NOTE_DELIVERED, book->receiver, sequence,
		bytes);
	if (sequence != book->expected) {
		world_fail(book->world,
			"receiver %" PRIu32 ": message %" PRIu64
			" of %08" PRIx32 " came where %" PRIu64 " was due",
			book->receiver, sequence, book->truth->publisher,
			book->expected);
		return;
	}
	if (!is_known(book, sequence) ||
		bytes != truth_bytes(book->truth, sequence) ||
		!message_is(data, book->truth->publisher, sequence, bytes, 0,
			bytes)) {
		world_fail(book->world,
			"receiver %" PRIu32 ": message %" PRIu64
			" of %08" PRIx32 ", %" PRIu32
			" bytes, is not what was published",
			book->receiver, sequence, book->truth->publisher,
			bytes);
		return;
	}
	book->expected++;
	book->delivered++;
}

void book_lost(
	struct book *book, uint64_t sequence, uint64_t lost, uint64_t gone)
{
	const struct truth *truth = book->truth;
	uint64_t end = sequence + lost;

	join(book, sequence);
	world_note(book->world, NOTE_LOST, book->receiver, sequence, lost);
	if (sequence != book->expected)
		world_fail(book->world,
			"receiver %" PRIu32 ": lost from %" PRIu64
			" on, where %" PRIu64 " was due",
			book->receiver, sequence, book->expected);
	else if (end - truth->first_sequence >
		 truth->next_sequence - truth->first_sequence)
		world_fail(book->world,
			"receiver %" PRIu32 ": %" PRIu64
			" messages lost, to %" PRIu64
			", when only %" PRIu64 " were published",
			book->receiver, lost, end, truth->next_sequence);
	else if (book->lossless)
		world_fail(book->world,
			"receiver %" PRIu32 ": %" PRIu64
			" messages lost from %" PRIu64
			" on, when nothing may be",
			book->receiver, lost, sequence);
	else if (gone < lost && book->world->now < book->patient_until)
		world_fail(book->world,
			"receiver %" PRIu32 ": %" PRIu64
			" messages given up from %" PRIu64 " on, too early",
			book->receiver, lost, sequence);
	else if (gone == lost && end - truth->first_sequence >
					 truth->gone_sequence -
						 truth->first_sequence)
		world_fail(book->world,
			"receiver %" PRIu32 ": messages up to %" PRIu64
			" are said to be gone, but the publisher has all"
			" from %" PRIu64 " on",
			book->receiver, end, truth->gone_sequence);
	book->expected = end;
	book->lost += lost;
}
