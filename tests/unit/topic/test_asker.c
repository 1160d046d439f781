/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_asker.c - a schema asked for and answered, over a wire in memory that
 * loses, repeats, reorders and cuts; and strangers who answer, or ask too much.
 * See topic/asker.h and topic/answer.h.
 */
#include "topic/answer.h"
#include "topic/asker.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check_main.h"
#include "memory_link.h"

static uint8_t schema[65536];
static uint32_t schema_bytes;
static struct msg_link_domain *domain;
static struct msg_answerer answerer;
static struct msg_announcement said;

static bool find(void *context, uint32_t publisher, uint64_t hash,
	const uint8_t **data, uint32_t *bytes)
{
	(void)context;
	if (publisher != said.publisher || hash != said.type.hash)
		return false;
	*data = schema;
	*bytes = schema_bytes;
	return true;
}

static void open_all(const struct memory_wire_options *options,
	uint32_t frame_bytes, uint32_t bytes)
{
	memory_wire_reset(options);
	domain = memory_domain_open(frame_bytes);
	schema_bytes = bytes;
	for (uint32_t i = 0; i < bytes; i++)
		schema[i] = (uint8_t)(i * 31 + i / 256);
	memset(&answerer, 0, sizeof answerer);
	ck_assert_int_eq(msg_answerer_open(&answerer, domain, find, NULL), 0);
	memset(&said, 0, sizeof said);
	strcpy(said.topic, "md.acme");
	strcpy(said.type.name, "md.Quote");
	said.publisher = 7;
	said.frame_bytes = frame_bytes;
	said.type.encoding = 1;
	said.type.hash = 0x1122334455667788;
	said.type.reach = answerer.reach;
}

static void close_all(struct msg_asker *asker)
{
	msg_asker_close(asker);
	msg_answerer_close(&answerer);
	domain->ops->close(domain);
	ck_assert_uint_eq(memory_wire_counts.links, 0);
}

/* Turn both, a millisecond of `*now` each time; the turns it took. */
static unsigned fetch(struct msg_asker *asker, uint64_t *now, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		int result = msg_asker_turn(asker, *now);

		ck_assert_int_ge(result, 0);
		if (result == 1)
			return i;
		msg_answerer_turn(&answerer, *now);
		*now += MSG_NS_PER_MS;
	}
	return most;
}

START_TEST(any_size_comes_whole)
{
	static const uint32_t sizes[] = {
		1, 215, 216, 217, 984, 985, 7872, 7873, 65535, 65536};
	static const uint32_t frames[] = {256, 1024, 9000};

	for (size_t f = 0; f < 3; f++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct msg_asker asker;
			uint64_t now = msg_clock_ns();

			open_all(&(struct memory_wire_options){0}, frames[f],
				sizes[i]);
			ck_assert_int_eq(
				msg_asker_open(&asker, domain, &said), 0);
			ck_assert_uint_lt(fetch(&asker, &now, 2000), 2000);
			ck_assert_uint_eq(asker.bytes, sizes[i]);
			ck_assert_mem_eq(asker.data, schema, sizes[i]);
			close_all(&asker);
		}
}
END_TEST

START_TEST(a_bad_wire_costs_time_alone)
{
	for (int i = 0; i < 50; i++) {
		uint64_t seed = check_seed() + (uint64_t)i;
		struct random_stream random = {seed};
		struct memory_wire_options wire = {
			.seed = seed,
			.lose = (unsigned)random_below(&random, 300),
			.repeat = (unsigned)random_below(&random, 300),
			.reorder = (unsigned)random_below(&random, 300),
			.cut = (unsigned)random_below(&random, 100),
			.again = (unsigned)random_below(&random, 200),
			.lag = random_chance(&random, 500),
		};
		uint64_t now = msg_clock_ns();
		struct msg_asker asker;
		unsigned turns;

		open_all(&wire, 1024,
			1 + (uint32_t)random_below(&random, 65536));
		ck_assert_int_eq(msg_asker_open(&asker, domain, &said), 0);
		turns = fetch(&asker, &now, 60000);
		ck_assert_msg(turns < 60000, "seed %llu",
			(unsigned long long)seed);
		ck_assert_uint_eq(asker.bytes, schema_bytes);
		ck_assert_mem_eq(asker.data, schema, schema_bytes);
		close_all(&asker);
	}
}
END_TEST

START_TEST(who_is_not_asked_is_not_heard)
{
	uint64_t now = msg_clock_ns();
	struct msg_asker asker;

	open_all(&(struct memory_wire_options){0}, 1024, 100);
	said.type.hash++; /* Not the publisher's. */
	ck_assert_int_eq(msg_asker_open(&asker, domain, &said), 0);
	said.type.hash--;
	ck_assert_uint_eq(fetch(&asker, &now, 1000), 1000);
	/* Ever more rarely. */
	ck_assert_uint_le(memory_wire_counts.unicast, 12);
	close_all(&asker);
}
END_TEST

/* ---- strangers --------------------------------------------------------- */

struct stranger {
	struct msg_link *link;
	uint32_t handle;
	uint8_t frame[MSG_QUESTION_FRAME_MAX];
};

static void open_stranger(struct stranger *s, const struct msg_reach *to)
{
	s->link = memory_link_open(
		domain, s->frame, sizeof s->frame, 0, 512);
	ck_assert_int_eq(s->link->ops->reach(s->link, to->data, to->bytes,
				 &s->handle),
		0);
}

static void send_frame(struct stranger *s, uint32_t bytes)
{
	struct msg_link_send send = {
		.iov[0] = {s->frame, bytes},
		.iov_count = 1,
		.group = s->handle,
		.signal = true,
	};
	struct msg_link_event events[64];

	ck_assert_int_eq(s->link->ops->send(s->link, &send), 0);
	ck_assert_int_ge(s->link->ops->poll(s->link, events, 64), 0);
}

START_TEST(forged_answers_are_not_believed)
{
	static const uint8_t lie[1024];
	uint64_t now = msg_clock_ns();
	struct stranger stranger;
	struct msg_asker asker;
	struct msg_answer good;

	open_all(&(struct memory_wire_options){0}, 1024, 3000);
	ck_assert_int_eq(msg_asker_open(&asker, domain, &said), 0);
	open_stranger(&stranger, &asker.question.reach);
	good = (struct msg_answer){
		.token = asker.question.token,
		.hash = asker.question.hash,
		.tag = asker.question.tag,
		.publisher = asker.question.publisher,
		.total = 3000,
		.part = lie,
		.bytes = 984,
	};
	for (int i = 0; i < 6; i++) {
		struct msg_answer a = good;

		a.token ^= i == 0;
		a.hash ^= i == 1;
		a.publisher ^= i == 2;
		a.offset = i == 3 ? 1 : 0;
		a.bytes = i == 4 ? 983 : a.bytes;
		a.total = i == 5 ? 500 : a.total;
		a.bytes = i == 5 ? 400 : a.bytes;
		send_frame(&stranger, msg_answer_write(stranger.frame, &a));
	}
	ck_assert_uint_lt(fetch(&asker, &now, 2000), 2000);
	ck_assert_mem_eq(asker.data, schema, 3000);
	stranger.link->ops->close(stranger.link);
	close_all(&asker);
}
END_TEST

/* Answers have a rate, whoever asks. */
START_TEST(who_asks_too_much_is_not_answered)
{
	uint64_t now = msg_clock_ns();
	struct msg_asker asker;
	struct stranger stranger;
	struct msg_question question;
	uint64_t questions = 0;

	open_all(&(struct memory_wire_options){0}, 1024, 3000);
	ck_assert_int_eq(msg_asker_open(&asker, domain, &said), 0);
	open_stranger(&stranger, &answerer.reach);
	question = asker.question;
	for (int i = 0; i < 100; i++) {
		for (int j = 0; j < 16; j++, questions++) {
			msg_question_write(stranger.frame, &question);
			send_frame(&stranger, question.frame_bytes);
		}
		msg_answerer_turn(&answerer, now);
		now += MSG_NS_PER_MS / 10;
	}
	/* 128 at once, and 2000 a second for a hundredth of one. */
	ck_assert_uint_ge(memory_wire_counts.unicast - questions, 100);
	ck_assert_uint_le(memory_wire_counts.unicast - questions, 128 + 21);
	stranger.link->ops->close(stranger.link);
	close_all(&asker);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("asker");
	TCase *good = check_case(suite, "schema", 60);
	TCase *bad = check_case(suite, "strangers", 20);

	tcase_add_test(good, any_size_comes_whole);
	tcase_add_test(good, a_bad_wire_costs_time_alone);
	tcase_add_test(good, who_is_not_asked_is_not_heard);
	tcase_add_test(bad, forged_answers_are_not_believed);
	tcase_add_test(bad, who_asks_too_much_is_not_answered);
	return check_main(suite, NULL);
}
