/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stats_page.c - the broker's counters as a file; see
 * libmsg/link/shm/stats_page.h.
 */
#include "link/shm/stats_page.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <msg/msg.h>

#include "check_main.h"
#include "base/trail.h"

static int fd;
static struct msg_stats_header *page;

static void make(void)
{
	fd = memfd_create("stats", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)msg_stats_bytes()), 0);
	page = mmap(NULL, msg_stats_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED,
		fd, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	msg_stats_start(page);
}

static void done(void)
{
	munmap(page, msg_stats_bytes());
	close(fd);
}

static void put_user(uint32_t index, uint64_t uid, uint64_t value)
{
	struct msg_stats_user row = {.uid = uid};
	uint64_t *counts = (uint64_t *)&row.counts;

	for (size_t i = 0; i < sizeof row.counts / sizeof *counts; i++)
		counts[i] = value;
	msg_stats_put(page, MSG_STATS_USERS, index, &row);
}

/* Read up to 8 users; all counts of one are the same. */
static int read_users(struct msg_stats_user users[8], uint32_t *torn)
{
	struct msg_stats_header header;
	int count = msg_stats_read_header(fd, &header);

	if (count < 0)
		return count;
	count = msg_stats_read(
		fd, &header, MSG_STATS_USERS, users, sizeof *users, 8, torn);
	for (int i = 0; i < count; i++) {
		const uint64_t *counts = (const uint64_t *)&users[i].counts;

		for (size_t k = 1; k < sizeof users->counts / 8; k++)
			ck_assert_uint_eq(counts[k], counts[0]);
	}
	return count;
}

START_TEST(what_was_put_is_read)
{
	struct msg_stats_user users[8];
	uint32_t torn = 0;

	make();
	ck_assert_int_eq(read_users(users, &torn), 0);
	put_user(0, 1000, 7);
	put_user(1, 1001, 8);
	ck_assert_int_eq(read_users(users, &torn), 0);
	msg_stats_use(page, MSG_STATS_USERS, 2);
	ck_assert_int_eq(read_users(users, &torn), 2);
	ck_assert_uint_eq(users[0].uid, 1000);
	ck_assert_uint_eq(users[1].counts.bytes, 8);
	put_user(1, 1001, 9);
	ck_assert_int_eq(read_users(users, &torn), 2);
	ck_assert_uint_eq(users[1].counts.bytes, 9);
	ck_assert_uint_eq(torn, 0);
	done();
}
END_TEST

START_TEST(a_row_that_is_there_is_not_written)
{
	struct msg_stats_feed row = {.id = 3};

	make();
	row.counts.frames = 5;
	ck_assert(msg_stats_put(page, MSG_STATS_FEEDS, 0, &row));
	ck_assert(!msg_stats_put(page, MSG_STATS_FEEDS, 0, &row));
	row.counts.frames++;
	ck_assert(msg_stats_put(page, MSG_STATS_FEEDS, 0, &row));
	done();
}
END_TEST

START_TEST(an_update_is_odd_while_it_lasts)
{
	make();
	msg_stats_begin(page);
	ck_assert_uint_eq(page->updates, 1);
	/* One that was interrupted by a restart of the loop. */
	msg_stats_begin(page);
	ck_assert_uint_eq(page->updates, 1);
	msg_stats_end(page, 99);
	ck_assert_uint_eq(page->updates, 2);
	ck_assert_uint_eq(page->updated_ns, 99);
	done();
}
END_TEST

/* Where the copy of a user's row is that would be written next. */
static uint8_t *other_copy(uint32_t index)
{
	const struct msg_stats_place *p = &page->places[MSG_STATS_USERS];
	const uint32_t *sequences =
		(const uint32_t *)(void *)((uint8_t *)page + p->sequences);

	return (uint8_t *)page + p->rows +
	       (2 * index + ((sequences[index] + 1) & 1)) * p->row_bytes;
}

START_TEST(a_writer_that_stops_in_the_middle_hides_nothing)
{
	struct msg_stats_user users[8];
	uint32_t torn = 0;

	make();
	put_user(0, 1000, 7);
	msg_stats_use(page, MSG_STATS_USERS, 1);
	memset(other_copy(0), 0xee, sizeof *users / 2);
	ck_assert_int_eq(read_users(users, &torn), 1);
	ck_assert_uint_eq(users[0].uid, 1000);
	ck_assert_uint_eq(users[0].counts.bytes, 7);
	ck_assert_uint_eq(torn, 0);
	done();
}
END_TEST

static _Atomic int over;

static void *write_on(void *unused)
{
	for (uint64_t n = 1; !over; n++)
		for (uint32_t i = 0; i < 8; i++)
			put_user(i, i, n);
	return unused;
}

START_TEST(rows_are_whole_while_they_change)
{
	struct msg_stats_user users[8];
	uint32_t torn = 0, rows = 0;
	pthread_t writer;

	make();
	msg_stats_use(page, MSG_STATS_USERS, 8);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_on, NULL), 0);
	for (int i = 0; i < 20000 / MSG_TEST_FEWER; i++)
		rows += (uint32_t)read_users(users, &torn);
	over = 1;
	pthread_join(writer, NULL);
	ck_assert_uint_gt(rows, 0);
	ck_assert_uint_eq(rows + torn, 20000 / MSG_TEST_FEWER * 8);
	printf("%u rows, %u torn\n", rows, torn);
	done();
}
END_TEST

static void refused(const char *why)
{
	struct msg_stats_header header;

	ck_assert_int_eq(msg_stats_read_header(fd, &header), -MSG_ERROR_FABRIC);
	ck_assert_msg(
		strstr(msg_trail_text(), why) != NULL, "%s", msg_trail_text());
}

START_TEST(what_is_no_such_file_is_refused)
{
	struct msg_stats_header good, header;
	int pipes[2];

	make();
	good = *page;
	page->magic++;
	refused("no counters");
	*page = good;
	page->version++;
	refused("version 2");
	*page = good;
	page->places[MSG_STATS_READERS].rows = good.bytes;
	refused("table 4");
	*page = good;
	page->places[MSG_STATS_READERS].rows = UINT64_MAX - 8;
	refused("table 4");
	*page = good;
	page->places[MSG_STATS_FEEDS].sequences = UINT64_MAX;
	refused("table 5");
	*page = good;
	page->places[MSG_STATS_FEEDS].row_max = UINT32_MAX;
	refused("table 5");
	*page = good;
	page->places[MSG_STATS_FEEDS].row_bytes = UINT32_MAX;
	refused("table 5");
	*page = good;
	ck_assert_int_eq(msg_stats_read_header(fd, &header), 0);
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	refused("no counters");
	done();
	ck_assert_int_eq(pipe(pipes), 0);
	fd = pipes[0];
	refused("no counters");
}
END_TEST

START_TEST(a_file_cut_behind_the_header_is_an_error)
{
	struct msg_stats_user users[8];
	struct msg_stats_header header;
	uint32_t torn = 0;

	make();
	put_user(0, 1, 1);
	msg_stats_use(page, MSG_STATS_USERS, 1);
	ck_assert_int_eq(msg_stats_read_header(fd, &header), 0);
	ck_assert_int_eq(ftruncate(fd, MSG_STATS_HEADER_BYTES), 0);
	ck_assert_int_eq(msg_stats_read(fd, &header, MSG_STATS_USERS, users,
				 sizeof *users, 8, &torn),
		-MSG_ERROR_FABRIC);
	done();
}
END_TEST

START_TEST(more_rows_than_there_are_is_no_way_out)
{
	struct msg_stats_header header;
	struct msg_stats_user *users = calloc(300, sizeof *users);
	uint32_t torn = 0;

	make();
	page->places[MSG_STATS_USERS].used = UINT32_MAX;
	memset(page->name, 'x', sizeof page->name);
	ck_assert_int_eq(msg_stats_read_header(fd, &header), 0);
	ck_assert_uint_lt(strlen(header.name), sizeof header.name);
	ck_assert_int_eq(msg_stats_read(fd, &header, MSG_STATS_USERS, users,
				 sizeof *users, 300, &torn),
		256);
	ck_assert_int_eq(msg_stats_read(fd, &header, MSG_STATS_USERS, users,
				 sizeof *users, 3, &torn),
		3);
	free(users);
	done();
}
END_TEST

START_TEST(one_that_counts_less_is_read_with_zeroes)
{
	struct msg_stats_place *place;
	struct msg_stats_user users[8];
	uint32_t torn = 0;
	int count;
	struct msg_stats_header header;

	make();
	place = &page->places[MSG_STATS_USERS];
	place->row_bytes = 16; /* The uid and one count. */
	put_user(0, 1000, 7);
	put_user(1, 1001, 8);
	msg_stats_use(page, MSG_STATS_USERS, 2);
	ck_assert_int_eq(msg_stats_read_header(fd, &header), 0);
	count = msg_stats_read(
		fd, &header, MSG_STATS_USERS, users, sizeof *users, 8, &torn);
	ck_assert_int_eq(count, 2);
	ck_assert_uint_eq(users[1].uid, 1001);
	ck_assert_uint_eq(users[1].counts.connections, 8);
	ck_assert_uint_eq(users[1].counts.subscriptions, 0);
	/* And one that has fewer tables. */
	page->table_count = MSG_STATS_USERS;
	ck_assert_int_eq(msg_stats_read_header(fd, &header), 0);
	ck_assert_int_eq(msg_stats_read(fd, &header, MSG_STATS_USERS, users,
				 sizeof *users, 8, &torn),
		0);
	done();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stats_page");
	TCase *rows = check_case(suite, "rows", 60);
	TCase *hostile = check_case(suite, "hostile", 10);

	tcase_add_test(rows, what_was_put_is_read);
	tcase_add_test(rows, a_row_that_is_there_is_not_written);
	tcase_add_test(rows, an_update_is_odd_while_it_lasts);
	tcase_add_test(rows, a_writer_that_stops_in_the_middle_hides_nothing);
	tcase_add_test(rows, rows_are_whole_while_they_change);
	tcase_add_test(hostile, what_is_no_such_file_is_refused);
	tcase_add_test(hostile, a_file_cut_behind_the_header_is_an_error);
	tcase_add_test(hostile, more_rows_than_there_are_is_no_way_out);
	tcase_add_test(hostile, one_that_counts_less_is_read_with_zeroes);
	return check_main(suite, NULL);
}
