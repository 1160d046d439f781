/* SPDX-License-Identifier: BSD-2-Clause */
/* read.c - what a peer shares is read where it lies, and nothing else is. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

#define LARGE_BYTES (64u << 20)
#define PIECES 17u
#define PIECE_BYTES ((size_t)512 << 10)
#define ROUNDS 100

static uint8_t *map(size_t bytes)
{
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static void fill(uint8_t *at, size_t bytes)
{
	struct random_stream random = {check_seed()};

	for (size_t i = 0; i + 8 <= bytes; i += 8) {
		uint64_t word = random_next(&random);

		memcpy(at + i, &word, 8);
	}
}

/* A reader and one that shares; what they do in most tests. */
struct sharing {
	struct end reader, owner;
	uint32_t handle, owner_handle;
	uint8_t *memory;
	size_t bytes;
	struct msg_channel_region region;
};

static void sharing_open(struct sharing *s, size_t bytes)
{
	end_open(&s->reader, (struct end_options){.deaf = true});
	end_open(&s->owner, (struct end_options){0});
	join(&s->reader, &s->owner, &s->handle, &s->owner_handle);
	s->bytes = bytes;
	s->memory = map(bytes);
	fill(s->memory, bytes);
	ck_assert_int_eq(s->owner.set->ops->share(s->owner.set, s->memory,
				 bytes, MSG_CHANNEL_SHARED, &s->region), 0);
}

static void sharing_close(struct sharing *s)
{
	s->owner.set->ops->unshare(s->owner.set, &s->region);
	end_close(&s->reader);
	end_close(&s->owner);
	munmap(s->memory, s->bytes);
}

static int read_some(struct sharing *s, uint64_t offset, uint32_t bytes,
	uint32_t token)
{
	struct msg_channel_read read = {
		.into = buffer(&s->reader, token),
		.bytes = bytes,
		.address = s->region.address + offset,
		.key = s->region.key,
		.handle = s->handle,
		.token = token,
	};

	return s->reader.set->ops->read(s->reader.set, &read);
}

START_TEST(any_part_is_read)
{
	struct random_stream random = {check_seed()};
	struct sharing s;
	struct told told;

	sharing_open(&s, 1u << 20);
	for (int i = 0; i < 200; i++) {
		uint32_t bytes =
			1 + (uint32_t)random_below(&random, BUFFER_BYTES);
		uint64_t offset = random_below(&random, s.bytes - bytes + 1);

		ck_assert_int_eq(read_some(&s, offset, bytes, 5), 0);
		told = expect(&s.reader, MSG_CHANNEL_READ_DONE);
		ck_assert_uint_eq(told.event.token, 5);
		ck_assert_uint_eq(told.event.handle, s.handle);
		ck_assert_mem_eq(buffer(&s.reader, 5), s.memory + offset,
			bytes);
	}
	ck_assert(!has_told(&s.owner));
	sharing_close(&s);
}
END_TEST

START_TEST(sends_and_reads_mix)
{
	struct sharing s;
	uint32_t received = 0, read = 0;

	sharing_open(&s, 1u << 20);
	post_all(&s.owner, 64);
	for (uint32_t i = 0; i < 30; i++) {
		ck_assert_int_eq(read_some(&s, i * 100, BUFFER_BYTES, i), 0);
		ck_assert_int_eq(send_buffer(&s.reader, s.handle, 500, 100,
					 true), 0);
	}
	while (received < 30 || read < 30) {
		ends_poll();
		while (has_told(&s.owner)) {
			expect(&s.owner, MSG_CHANNEL_RECEIVED);
			received++;
		}
		while (has_told(&s.reader)) {
			struct told told = expect_any(&s.reader);

			if (told.event.type == MSG_CHANNEL_SENT)
				continue;
			ck_assert_uint_eq(told.event.type,
				MSG_CHANNEL_READ_DONE);
			ck_assert_uint_eq(told.event.token, read);
			ck_assert_mem_eq(buffer(&s.reader, read),
				s.memory + read * 100, BUFFER_BYTES);
			read++;
		}
	}
	sharing_close(&s);
}
END_TEST

START_TEST(a_large_one_is_read_in_place)
{
	struct msg_channel_region into;
	struct sharing s;
	uint8_t *copy = map(LARGE_BYTES);
	size_t step, asked = 0;
	uint32_t out = 0;

	sharing_open(&s, LARGE_BYTES);
	step = s.reader.set->message_bytes_max;
	if (step > LARGE_BYTES)
		step = LARGE_BYTES;
	ck_assert_int_eq(s.reader.set->ops->share(s.reader.set, copy,
				 LARGE_BYTES, MSG_CHANNEL_LOCAL, &into), 0);
	while (asked < LARGE_BYTES) {
		struct msg_channel_read read = {
			.into = copy + asked,
			.bytes = step,
			.address = s.region.address + asked,
			.key = s.region.key,
			.handle = s.handle,
			.token = out++,
			.region = &into,
		};

		ck_assert_int_eq(
			s.reader.set->ops->read(s.reader.set, &read), 0);
		asked += step;
	}
	for (uint32_t i = 0; i < out; i++)
		ck_assert_uint_eq(
			expect(&s.reader, MSG_CHANNEL_READ_DONE).event.token,
			i);
	ck_assert_int_eq(memcmp(copy, s.memory, LARGE_BYTES), 0);
	s.reader.set->ops->unshare(s.reader.set, &into);
	munmap(copy, LARGE_BYTES);
	sharing_close(&s);
}
END_TEST

/* What is asked for first and the pieces behind it, as engine/pull.c reads. */
static void ask_for_pieces(struct sharing *s, uint8_t *copy,
	const struct msg_channel_region *into)
{
	for (uint32_t i = 0; i < PIECES; i++) {
		struct msg_channel_read read = {
			.into = i == 0 ? copy : copy + (size_t)i * PIECE_BYTES,
			.bytes = i == 0 ? 8 : PIECE_BYTES,
			.address = s->region.address + (uint64_t)i * PIECE_BYTES,
			.key = s->region.key,
			.handle = s->handle,
			.token = i,
			.region = into,
		};

		ck_assert_int_eq(
			s->reader.set->ops->read(s->reader.set, &read), 0);
	}
}

static void expect_pieces(struct sharing *s, uint8_t *copy)
{
	for (uint32_t i = 0; i < PIECES; i++) {
		struct told told = next_told(&s->reader);

		ck_assert_uint_eq(told.event.type, MSG_CHANNEL_READ_DONE);
		ck_assert_uint_eq(told.event.token, i);
	}
	ck_assert_int_eq(memcmp(copy, s->memory, 8), 0);
	ck_assert_int_eq(memcmp(copy + PIECE_BYTES, s->memory + PIECE_BYTES,
				 (PIECES - 1) * PIECE_BYTES), 0);
	memset(copy, 0, PIECES * PIECE_BYTES);
}

/* The owner may hear of the old connection's end at any time. */
static void come_again(struct sharing *s)
{
	struct msg_channels *owner = s->owner.set;
	struct told told;

	s->handle = ask(&s->reader, &s->owner);
	do {
		told = next_told(&s->owner);
		if (told.event.type == MSG_CHANNEL_ASKED)
			ck_assert_int_eq(owner->ops->accept(owner,
						 told.event.handle, "", 0), 0);
	} while (told.event.type != MSG_CHANNEL_CONNECTED);
	s->owner_handle = told.event.handle;
	expect(&s->reader, MSG_CHANNEL_CONNECTED);
}

/* In the middle of reads, wherever both sides are with them: what is read by the next
 * connection is whole. */
START_TEST(who_hangs_up_while_it_reads_may_come_again)
{
	struct random_stream random = {check_seed()};
	uint8_t *copy = map(PIECES * PIECE_BYTES);
	struct msg_channel_region into;
	struct sharing s;

	sharing_open(&s, PIECES * PIECE_BYTES);
	ck_assert_int_eq(s.reader.set->ops->share(s.reader.set, copy,
				 PIECES * PIECE_BYTES, MSG_CHANNEL_LOCAL, &into),
		0);
	for (int round = 0; round < ROUNDS; round++) {
		ask_for_pieces(&s, copy, &into);
		for (uint64_t n = random_below(&random, 40); n > 0; n--)
			end_poll(random_chance(&random, 500) ? &s.reader
							     : &s.owner);
		s.reader.set->ops->hang_up(s.reader.set, s.handle);
		while (next_told(&s.reader).event.type != MSG_CHANNEL_CLOSED)
			;
		come_again(&s);
		ask_for_pieces(&s, copy, &into);
		expect_pieces(&s, copy);
	}
	s.reader.set->ops->unshare(s.reader.set, &into);
	munmap(copy, PIECES * PIECE_BYTES);
	sharing_close(&s);
}
END_TEST

/* The read fails, its connection ends on both sides, another one lives. */
static void expect_denied(struct sharing *s, uint64_t offset, uint32_t bytes)
{
	uint32_t other, other_at_owner;
	struct told told;

	join(&s->reader, &s->owner, &other, &other_at_owner);
	ck_assert_int_eq(read_some(s, offset, bytes, 9), 0);
	told = expect(&s->reader, MSG_CHANNEL_READ_FAILED);
	ck_assert_uint_eq(told.event.token, 9);
	told = expect(&s->reader, MSG_CHANNEL_CLOSED);
	ck_assert_uint_eq(told.event.handle, s->handle);
	ck_assert_int_ne(told.event.error, 0);
	told = expect(&s->owner, MSG_CHANNEL_CLOSED);
	ck_assert_uint_eq(told.event.handle, s->owner_handle);
	post_all(&s->owner, 1);
	ck_assert_int_eq(send_buffer(&s->reader, other, 0, 10, true), 0);
	told = expect(&s->owner, MSG_CHANNEL_RECEIVED);
	ck_assert_uint_eq(told.event.handle, other_at_owner);
	expect(&s->reader, MSG_CHANNEL_SENT);
	s->handle = other;
	s->owner_handle = other_at_owner;
}

START_TEST(beyond_the_end_is_denied)
{
	struct sharing s;

	sharing_open(&s, 1u << 20);
	expect_denied(&s, s.bytes - 10, 11);
	sharing_close(&s);
}
END_TEST

START_TEST(what_is_not_shared_is_denied)
{
	struct sharing s;
	struct msg_channel_region local, kept;

	sharing_open(&s, 1u << 20);
	/* Registered for its owner alone. */
	ck_assert_int_eq(s.owner.set->ops->share(s.owner.set, s.memory,
				 s.bytes, MSG_CHANNEL_LOCAL, &local), 0);
	kept = s.region;
	s.region = local;
	expect_denied(&s, 0, 10);
	s.region = kept;
	s.owner.set->ops->unshare(s.owner.set, &local);
	/* A key that nobody gave. */
	s.region.key ^= 1u << 7;
	expect_denied(&s, 0, 10);
	s.region = kept;
	sharing_close(&s);
}
END_TEST

START_TEST(shared_no_more_is_denied)
{
	struct sharing s;
	struct msg_channel_region kept;

	sharing_open(&s, 1u << 20);
	ck_assert_int_eq(read_some(&s, 0, 10, 1), 0);
	expect(&s.reader, MSG_CHANNEL_READ_DONE);
	kept = s.region;
	s.owner.set->ops->unshare(s.owner.set, &s.region);
	s.region.address = kept.address;
	s.region.key = kept.key;
	expect_denied(&s, 0, 10);
	sharing_close(&s);
}
END_TEST

/* What no call of ours does, a hostile peer does by its own. */
START_TEST(nobody_writes_into_it)
{
	struct sharing s;
	struct channel *c;
	uint8_t before[64];
	struct told told;
	ssize_t result;

	sharing_open(&s, 1u << 20);
	memcpy(before, s.memory, sizeof before);
	c = channel_of(inside(&s.reader), s.handle);
	ck_assert_ptr_nonnull(c);
	memset(buffer(&s.reader, 0), 0x5a, sizeof before);
	result = fi_write(c->ep, buffer(&s.reader, 0), sizeof before,
		fi_mr_desc(inside(&s.reader)->memory_mr), FI_ADDR_UNSPEC,
		s.region.address, s.region.key,
		/* As if it were a send of that channel. */
		(void *)(uintptr_t)(1ull << 62 | (uint64_t)s.handle << 32));
	if (result == 0) { /* Else the provider lets nobody try. */
		told = expect(&s.owner, MSG_CHANNEL_CLOSED);
		ck_assert_uint_eq(told.event.handle, s.owner_handle);
	}
	expect_quiet(&s.owner, 50);
	ck_assert_mem_eq(before, s.memory, sizeof before);
	sharing_close(&s);
}
END_TEST

START_TEST(reading_needs_memory_of_ours)
{
	struct sharing s;
	struct msg_channel_read read = {.bytes = 10};

	sharing_open(&s, 1u << 20);
	read.address = s.region.address;
	read.key = s.region.key;
	read.handle = s.handle;
	read.into = s.memory;
	ck_assert_int_eq(s.reader.set->ops->read(s.reader.set, &read),
		-MSG_ERROR_ARGUMENT);
	read.into = buffer(&s.reader, BUFFERS - 1);
	read.bytes = BUFFER_BYTES + 1;
	ck_assert_int_eq(s.reader.set->ops->read(s.reader.set, &read),
		-MSG_ERROR_ARGUMENT);
	sharing_close(&s);
}
END_TEST

void add_read(Suite *suite)
{
	TCase *c = check_case(suite, "read", 180);

	tcase_add_test(c, any_part_is_read);
	tcase_add_test(c, sends_and_reads_mix);
	tcase_add_test(c, a_large_one_is_read_in_place);
	tcase_add_test(c, who_hangs_up_while_it_reads_may_come_again);
	tcase_add_test(c, beyond_the_end_is_denied);
	tcase_add_test(c, what_is_not_shared_is_denied);
	tcase_add_test(c, shared_no_more_is_denied);
	tcase_add_test(c, nobody_writes_into_it);
	tcase_add_test(c, reading_needs_memory_of_ours);
}
