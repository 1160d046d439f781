/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_keep_large.c - what a relay believes of a publisher's large messages, and
 * what it registers and seals of them; see broker/keep_large.h.
 */
#include "broker/keep_large.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "check_main.h"
#include "memory_channel.h"

#define PAGE ((size_t)MSG_LARGE_PAGE)
#define PAGES 64u
#define LARGEST (20 * PAGE)

static struct keep_large *large;
static struct msg_show shown;
static uint8_t *area;

static void set_up(void)
{
	struct msg_channels_options options = {.receive_count = 1,
		.send_count = 1,
		.connection_max = 1,
		.listen = true};
	struct msg_channels *channels;
	struct msg_show_options show = {.bytes_max = LARGEST,
		.first_serial = 1,
		.tag = 1,
		.publisher = 2};
	char text[MSG_LINK_TEXT_BYTES];

	memory_channel_reset(&(struct memory_channel_options){.seed = 1});
	large = calloc(1, sizeof *large);
	area = aligned_alloc(PAGE, PAGES * PAGE);
	memset(area, 0, PAGES * PAGE);
	ck_assert_int_eq(memory_channel_module.open(
				 NULL, &options, &channels, text), 0);
	large->area = area;
	large->area_bytes = PAGES * PAGE;
	large->bytes_max = LARGEST;
	large->next = KEEP_LARGE_NONE;
	large->show = &shown;
	show.channels = channels;
	ck_assert_int_eq(msg_show_open(&shown, &show), 0);
}

static void tear_down(void)
{
	keep_large_close(large);
	msg_show_close(&shown);
	shown.channels->ops->close(shown.channels);
	ck_assert_uint_eq(memory_channel_counts.regions, 0);
	ck_assert_uint_eq(memory_channel_counts.sets, 0);
	free(area);
}

static struct msg_ring_item item_at(uint32_t page, size_t bytes)
{
	return (struct msg_ring_item){.kind = MSG_RING_LARGE,
		.place = page,
		.total = (uint32_t)bytes};
}

static bool believes(uint32_t page, size_t bytes)
{
	struct msg_ring_item item = item_at(page, bytes);

	return keep_large_believe(large, &item);
}

static uint64_t seal_of(uint32_t page)
{
	uint64_t seal;

	memcpy(&seal, area + page * PAGE - MSG_LARGE_SEAL_AT, sizeof seal);
	return le64toh(seal);
}

/* Shown as frame `frame`; what its body says. */
static struct msg_large show_as(uint32_t page, size_t bytes, uint64_t frame)
{
	struct msg_ring_item item = item_at(page, bytes);
	struct msg_large said = {0};
	const uint8_t *body;

	ck_assert(keep_large_believe(large, &item));
	body = keep_large_show(large, &item);
	ck_assert_ptr_nonnull(body);
	/* Where its frame could not leave it is asked for again. */
	ck_assert_ptr_eq(keep_large_show(large, &item), body);
	keep_large_sent(large, frame, 0);
	ck_assert_ptr_eq(keep_large_body(large, frame), body);
	ck_assert(msg_large_read(body, MSG_LARGE_BYTES, &said));
	ck_assert_uint_eq(said.total, bytes);
	return said;
}

START_TEST(entries_are_believed_within_the_area_alone)
{
	struct msg_ring_item item = item_at(1, PAGE);

	ck_assert(keep_large_believe(large, &item));
	item.bytes = 1;
	ck_assert(!keep_large_believe(large, &item));
	ck_assert(!keep_large_believe(NULL, &item));
	ck_assert(believes(PAGES - 1, PAGE));
	ck_assert(believes(PAGES, 0));
	ck_assert(believes(1, LARGEST));
	ck_assert(!believes(1, LARGEST + 1));
	ck_assert(!believes(0, 1));
	ck_assert(!believes(PAGES - 1, PAGE + 1));
	ck_assert(!believes(PAGES + 1, 0));
	ck_assert(!believes(UINT32_MAX, UINT32_MAX));
}
END_TEST

/* The page in front of a message is its own, too. */
START_TEST(no_page_is_of_two_messages)
{
	show_as(10, 3 * PAGE, 100);
	for (uint32_t page = 1; page <= 9; page++)
		ck_assert(believes(page, (9 - page) * PAGE));
	ck_assert(!believes(9, 1));
	ck_assert(!believes(5, 4 * PAGE + 1));
	for (uint32_t page = 10; page <= 13; page++)
		ck_assert(!believes(page, 0));
	ck_assert(believes(14, 1));
	keep_large_forget(large, 100);
	ck_assert(believes(10, 3 * PAGE));
}
END_TEST

START_TEST(a_message_is_sealed_as_long_as_its_frame_is_kept)
{
	struct msg_large first = show_as(10, 3 * PAGE, 100);
	struct msg_large second = show_as(20, 5, 101);

	ck_assert_uint_ne(first.serial, second.serial);
	ck_assert_uint_eq(seal_of(10), first.serial);
	ck_assert_uint_eq(seal_of(20), second.serial);
	ck_assert_uint_eq(large->bytes, 4 * PAGE);
	keep_large_forget(large, 100);
	ck_assert_uint_eq(seal_of(10), 0);
	ck_assert_uint_eq(seal_of(20), second.serial);
	ck_assert_ptr_null(keep_large_body(large, 100));
	keep_large_forget(large, 77);
	keep_large_forget(large, 101);
	ck_assert_uint_eq(large->bytes, 0);
}
END_TEST

START_TEST(the_next_message_of_a_place_is_registered_already)
{
	struct msg_large first = show_as(10, 3 * PAGE, 100), again;

	keep_large_forget(large, 100);
	again = show_as(10, 2 * PAGE, 101);
	ck_assert_uint_eq(again.key, first.key);
	ck_assert_uint_eq(again.address, first.address);
	ck_assert_uint_eq(memory_channel_counts.regions, 1);
	keep_large_forget(large, 101);
	/* Another that needs of the same memory takes it. */
	show_as(9, PAGE, 102);
	ck_assert_uint_eq(memory_channel_counts.regions, 1);
	show_as(12, PAGE, 103);
	ck_assert_uint_eq(memory_channel_counts.regions, 2);
}
END_TEST

/* By seed, of a publisher that says anything: no page twice, and none registered
 * that lies elsewhere. */
START_TEST(whatever_is_said_the_area_is_registered_once)
{
	struct random_stream random = {check_seed()};
	uint64_t first = 0, next = 0;

	for (int i = 0; i < 20000; i++) {
		struct msg_ring_item item = item_at(
			(uint32_t)random_below(&random, PAGES + 4),
			random_below(&random, LARGEST + PAGE));
		uint64_t all = 0;

		if (random_chance(&random, 500) && first < next)
			keep_large_forget(large, first++);
		else if (keep_large_believe(large, &item) &&
			keep_large_show(large, &item))
			keep_large_sent(large, next++, 0);
		for (uint32_t k = 0; k < MSG_LARGE_BUFFERS_MAX; k++) {
			const struct msg_channel_region *r =
				&large->messages[k].region;

			if (!r->memory)
				continue;
			all += r->bytes;
			ck_assert((uint8_t *)r->memory >= area);
			ck_assert((uint8_t *)r->memory + r->bytes <=
				area + PAGES * PAGE);
		}
		ck_assert_uint_le(all, PAGES * PAGE);
	}
	ck_assert_uint_gt(next, 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keep_large");
	TCase *kept = check_case(suite, "kept", 60);

	tcase_add_checked_fixture(kept, set_up, tear_down);
	tcase_add_test(kept, entries_are_believed_within_the_area_alone);
	tcase_add_test(kept, no_page_is_of_two_messages);
	tcase_add_test(kept, a_message_is_sealed_as_long_as_its_frame_is_kept);
	tcase_add_test(
		kept, the_next_message_of_a_place_is_registered_already);
	tcase_add_test(kept, whatever_is_said_the_area_is_registered_once);
	return check_main(suite, NULL);
}
