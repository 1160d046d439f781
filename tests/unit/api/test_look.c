/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_look.c - <msg/broker.h> on files that nobody trusts; brokers that live
 * are looked at in tests/local/broker_look.sh.
 */
#include <msg/broker.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_main.h"
#include "link/shm/stats_page.h"

static char folder[64];
static char name[128]; /* Of the socket that is not there. */
static char file[128];
static struct msg_stats_header *page;

/* Counters of a broker that never was. */
static void make(void)
{
	char place[96];
	int fd;

	snprintf(folder, sizeof folder, "/tmp/test_look.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(place, sizeof place, "%s/msg", folder);
	ck_assert_int_eq(mkdir(place, 0700), 0);
	snprintf(name, sizeof name, "%s/b.sock", place);
	snprintf(file, sizeof file, "%s/b.stats", place);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	unsetenv("MSG_BROKER");
	fd = open(file, O_RDWR | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)msg_stats_bytes()), 0);
	page = mmap(NULL, msg_stats_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED,
		fd, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	close(fd);
	msg_stats_start(page);
	page->pid = UINT32_MAX;
	page->pid_start = 1;
}

static void done(void)
{
	char place[96];

	munmap(page, msg_stats_bytes());
	unlink(file);
	snprintf(place, sizeof place, "%s/msg", folder);
	rmdir(place);
	rmdir(folder);
}

START_TEST(every_count_has_a_name_a_meaning_and_a_remedy)
{
	const struct msg_counter *c, *other;
	int count = 0;

	while ((c = msg_broker_counter_describe(count)) != NULL) {
		ck_assert_ptr_nonnull(strchr(c->name, '.'));
		ck_assert_int_eq(c->meaning[strlen(c->meaning) - 1], '.');
		ck_assert_int_eq(c->remedy[strlen(c->remedy) - 1], '.');
		for (int i = 0; i < count; i++) {
			other = msg_broker_counter_describe(i);
			ck_assert_str_ne(other->name, c->name);
		}
		count++;
	}
	ck_assert_int_gt(count, 50);
	ck_assert_ptr_null(msg_broker_counter_describe(-1));
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct msg_broker_entry entry;
	struct msg_broker *broker;

	ck_assert_int_eq(msg_broker_open("a b", &broker), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_broker_open("a", NULL), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_broker_probe(".a", &entry), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_broker_probe("a", NULL), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_broker_list(NULL, 1), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_broker_list(NULL, -1), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_broker_read(NULL), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_broker_close(NULL), 0);
}
END_TEST

START_TEST(what_is_not_there_is_no_device)
{
	struct msg_broker_entry entry;
	struct msg_broker *broker;

	make();
	ck_assert_int_eq(msg_broker_open("/nowhere/at/all.sock", &broker),
		-MSG_ERROR_DEVICE);
	ck_assert_int_eq(msg_broker_probe("/nowhere/at/all.sock", &entry),
		-MSG_ERROR_DEVICE);
	ck_assert_str_eq(entry.path, "/nowhere/at/all.sock");
	ck_assert_uint_eq(entry.state, MSG_BROKER_STATE_GONE);
	done();
}
END_TEST

START_TEST(a_dead_one_is_listed_and_read)
{
	struct msg_broker_entry entries[64];
	struct msg_broker *broker;
	int count, at = 0;

	make();
	count = msg_broker_list(entries, 64);
	while (at < count && strcmp(entries[at].name, "b") != 0)
		at++;
	ck_assert_int_lt(at, count);
	ck_assert_str_eq(entries[at].path, name);
	ck_assert_uint_eq(entries[at].state, MSG_BROKER_STATE_GONE);
	ck_assert_int_eq(msg_broker_list(NULL, 0), count);
	ck_assert_int_eq(msg_broker_open(name, &broker), 0);
	ck_assert_uint_eq(
		msg_broker_info(broker)->state, MSG_BROKER_STATE_GONE);
	ck_assert_ptr_null(msg_broker_stream(broker, 0));
	ck_assert_int_eq(msg_broker_read(broker), 0);
	msg_broker_close(broker);
	done();
}
END_TEST

START_TEST(our_own_process_lives_and_hangs_when_it_writes_nothing)
{
	struct msg_broker *broker;
	uint64_t now = msg_clock_ns();

	make();
	page->pid = (uint32_t)getpid();
	page->pid_start = 0; /* Not known. */
	page->updated_ns = now;
	ck_assert_int_eq(msg_broker_open(name, &broker), 0);
	ck_assert_uint_eq(
		msg_broker_info(broker)->state, MSG_BROKER_STATE_RUNNING);
	page->updated_ns -= 5 * MSG_NS_PER_S;
	ck_assert_int_eq(msg_broker_read(broker), 0);
	ck_assert_uint_eq(
		msg_broker_info(broker)->state, MSG_BROKER_STATE_STUCK);
	/* It said that it would sleep. */
	page->asleep_until_ns = now + 60 * MSG_NS_PER_S;
	ck_assert_int_eq(msg_broker_read(broker), 0);
	ck_assert_uint_eq(
		msg_broker_info(broker)->state, MSG_BROKER_STATE_RUNNING);
	/* Another process of that pid. */
	page->pid_start = 1;
	ck_assert_int_eq(msg_broker_read(broker), 0);
	ck_assert_uint_eq(
		msg_broker_info(broker)->state, MSG_BROKER_STATE_GONE);
	msg_broker_close(broker);
	done();
}
END_TEST

START_TEST(texts_are_made_fit_to_be_shown)
{
	struct msg_stats_client client = {.id = 1, .pid = 7, .role = 99};
	const struct msg_broker_client *shown;
	struct msg_broker *broker;

	make();
	memset(client.topic, 'x', sizeof client.topic);
	memcpy(client.program, "a\033[31m\xff z", 9);
	memset(page->path, 0xff, sizeof page->path);
	msg_stats_put(page, MSG_STATS_CLIENTS, 0, &client);
	msg_stats_use(page, MSG_STATS_CLIENTS, 1);
	ck_assert_int_eq(msg_broker_open(name, &broker), 0);
	shown = msg_broker_client(broker, 0);
	ck_assert_str_eq(shown->program, "a?[31m? z");
	ck_assert_uint_eq(strlen(shown->topic), sizeof client.topic - 1);
	for (const char *c = msg_broker_info(broker)->path; *c; c++)
		ck_assert_int_eq(*c, '?');
	ck_assert_ptr_null(msg_broker_client(broker, 1));
	msg_broker_close(broker);
	done();
}
END_TEST

START_TEST(a_writer_that_stopped_in_an_update_is_told)
{
	struct msg_broker *broker;

	make();
	msg_stats_begin(page);
	ck_assert_int_eq(msg_broker_open(name, &broker), 0);
	ck_assert_uint_eq(msg_broker_info(broker)->torn, 1);
	msg_stats_end(page, 1);
	ck_assert_int_eq(msg_broker_read(broker), 0);
	ck_assert_uint_eq(msg_broker_info(broker)->torn, 0);
	/* What is read next is nonsense: the last look stays. */
	page->magic = 0;
	ck_assert_int_eq(msg_broker_read(broker), -MSG_ERROR_FABRIC);
	ck_assert_uint_eq(msg_broker_info(broker)->torn, 0);
	msg_broker_close(broker);
	done();
}
END_TEST

START_TEST(a_lagging_reader_is_slow_and_noise_is_no_matter)
{
	struct msg_stats_stream stream = {.id = 1, .entry_count = 100};
	struct msg_stats_reader reader = {.stream = 1, .client = 5};
	struct msg_broker *broker;
	uint32_t i;

	make();
	msg_stats_put(page, MSG_STATS_STREAMS, 0, &stream);
	msg_stats_use(page, MSG_STATS_STREAMS, 1);
	reader.counts.lag = 50;
	msg_stats_put(page, MSG_STATS_READERS, 0, &reader);
	msg_stats_use(page, MSG_STATS_READERS, 1);
	ck_assert_int_eq(msg_broker_open(name, &broker), 0);
	ck_assert_uint_eq(msg_broker_reader(broker, 0)->flags, 0);
	ck_assert_uint_eq(msg_broker_stream(broker, 0)->readers, 1);
	reader.counts.lapped = 1;
	msg_stats_put(page, MSG_STATS_READERS, 0, &reader);
	ck_assert_int_eq(msg_broker_read(broker), 0);
	ck_assert_uint_eq(
		msg_broker_reader(broker, 0)->flags, MSG_BROKER_READER_SLOW);
	ck_assert_int_eq(msg_broker_read(broker), 0);
	ck_assert_uint_eq(msg_broker_reader(broker, 0)->flags, 0);
	reader.counts.lag = 51;
	msg_stats_put(page, MSG_STATS_READERS, 0, &reader);
	ck_assert_int_eq(msg_broker_read(broker), 0);
	ck_assert_uint_eq(
		msg_broker_reader(broker, 0)->flags, MSG_BROKER_READER_SLOW);
	/* All rows at once, and noise in them. */
	srand((unsigned)check_seed());
	for (size_t k = MSG_STATS_HEADER_BYTES; k < msg_stats_bytes(); k++)
		((uint8_t *)page)[k] = (uint8_t)rand();
	for (i = 0; i < MSG_STATS_TABLE_COUNT; i++)
		page->places[i].used = UINT32_MAX;
	ck_assert_int_eq(msg_broker_read(broker), 0);
	for (i = 0; msg_broker_client(broker, i); i++)
		ck_assert_uint_lt(
			strlen(msg_broker_client(broker, i)->topic), 256);
	ck_assert_uint_eq(i, 1024);
	ck_assert_ptr_nonnull(msg_broker_reader(broker, 4095));
	ck_assert_ptr_null(msg_broker_reader(broker, 4096));
	msg_broker_close(broker);
	done();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("look");
	TCase *look = check_case(suite, "look", 20);

	tcase_add_test(look, every_count_has_a_name_a_meaning_and_a_remedy);
	tcase_add_test(look, bad_arguments_are_refused);
	tcase_add_test(look, what_is_not_there_is_no_device);
	tcase_add_test(look, a_dead_one_is_listed_and_read);
	tcase_add_test(
		look, our_own_process_lives_and_hangs_when_it_writes_nothing);
	tcase_add_test(look, texts_are_made_fit_to_be_shown);
	tcase_add_test(look, a_writer_that_stopped_in_an_update_is_told);
	tcase_add_test(look, a_lagging_reader_is_slow_and_noise_is_no_matter);
	return check_main(suite, NULL);
}
