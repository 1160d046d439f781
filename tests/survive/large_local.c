/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large_local.c - large messages among those of one host: who keeps the memory, who
 * may see it, and who is charged for it.
 */
#include "large_sides.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stranger.h"

/* Whether a third finds room while one who reads keeps two, for a second; his
 * publisher has patience for 0.3. */
static bool is_waited_for(uint32_t slow)
{
	struct msg_subscriber *keeps = subscribe_slowly(slow);
	struct msg_publisher *p = publish_with(
		node, MSG_RELIABILITY_RELIABLE, 2 * (BYTES + 4096), 300);
	struct msg_view kept[2], view;
	uint64_t end = now_ns() + (uint64_t)S_NS;
	bool put_third = false;

	for (uint64_t i = 0; i < 2; i++) {
		put(p, i, BYTES);
		kept[i] = expect(keeps, i, BYTES);
	}
	while (!put_third && now_ns() < end) {
		put_third = try_put(p, 2, BYTES);
		sleep_us(1000);
	}
	if (put_third) {
		ck_assert_int_eq(msg_subscriber_take(keeps, &view, 1),
			-MSG_ERROR_EVICTED);
		msg_subscriber_release(keeps, kept, 2);
	} else {
		for (uint64_t i = 0; i < 2; i++)
			ck_assert(message_is(kept[i].data, BYTES,
				kept[i].publisher, i));
		msg_subscriber_release(keeps, kept, 2);
		ck_assert_int_eq(msg_subscriber_take(keeps, &view, 1), 0);
		put(p, 2, BYTES);
		expect_back(keeps, 2, BYTES);
	}
	ck_assert_int_eq(msg_subscriber_close(keeps), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	return !put_third;
}

START_TEST(who_keeps_all_memory_of_a_local_publisher_loses_the_ring)
{
	setup();
	ck_assert(!is_waited_for(MSG_SLOW_LAP));
	ck_assert(!is_waited_for(MSG_SLOW_EVICT));
	ck_assert(is_waited_for(MSG_SLOW_BLOCK));
	teardown();
}
END_TEST

/* Somebody who asks by hand: how many descriptors his ring of the topic has. */
static unsigned ask_for(struct stranger *s, uint32_t large_bytes_max)
{
	struct msg_control ask = {.kind = MSG_CONTROL_SUBSCRIBE};

	strcpy(ask.subscribe.pattern, TOPIC);
	ask.subscribe.policy = MSG_CONTROL_LAP;
	ask.subscribe.hold_max = 64;
	ask.subscribe.message_bytes_max = 1u << 20;
	ask.subscribe.large_bytes_max = large_bytes_max;
	ck_assert(stranger_connect(s, host.socket));
	ck_assert(stranger_greet(s, MSG_CONTROL_SUBSCRIBER));
	ck_assert(stranger_say(s, &ask));
	do {
		ck_assert(stranger_hear(s, 5000));
	} while (s->got.kind != MSG_CONTROL_RING ||
		 s->got.ring.origin != MSG_CONTROL_LOCAL);
	return s->fd_count;
}

START_TEST(an_area_is_given_to_who_asks_and_to_read_alone)
{
	static struct stranger s;
	struct msg_publisher *p;
	uint64_t bytes;
	void *map;
	int fd;

	setup();
	p = publish_on(node, MSG_RELIABILITY_RELIABLE, 2 * BYTES);
	ck_assert_uint_eq(ask_for(&s, 0), 3);
	ck_assert_uint_eq(s.got.ring.large_bytes, 0);
	stranger_close(&s);
	ck_assert_uint_eq(ask_for(&s, 1), 4);
	bytes = s.got.ring.large_bytes;
	fd = s.fds[3];
	ck_assert_uint_ge(bytes, 2 * BYTES);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_eq(map, MAP_FAILED);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_lt(mprotect(map, bytes, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_lt(madvise(map, bytes, MADV_REMOVE), 0);
	ck_assert_int_lt(pwrite(fd, "x", 1, 0), 0);
	ck_assert_int_lt(ftruncate(fd, 0), 0);
	ck_assert_int_lt(ftruncate(fd, 1ll << 40), 0);
	ck_assert_int_lt(fallocate(fd,
				 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				 4096), 0);
	munmap(map, bytes);
	stranger_close(&s);
	put(p, 0, BYTES);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

START_TEST(an_area_is_charged_to_its_user)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p, *more;

	setup_with("[quota]\nbytes = 128Mi\n");
	o.topic = TOPIC;
	o.reliability = MSG_RELIABILITY_RELIABLE;
	o.large_bytes_max = 64 * MIB;
	o.large_memory_bytes = 128 * MIB;
	ck_assert_int_lt(msg_publisher_open(node, &o, &p), 0);
	ck_assert_msg(strstr(msg_error_text(), "bytes"), "%s", msg_error_text());
	o.large_memory_bytes = 64 * MIB;
	ck_assert_int_eq(msg_publisher_open(node, &o, &p), 0);
	ck_assert_int_lt(msg_publisher_open(node, &o, &more), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	/* It is given back when that is over. */
	AWAIT(20, msg_publisher_open(node, &o, &more) == 0);
	ck_assert_int_eq(msg_publisher_close(more), 0);
	teardown();
}
END_TEST

void add_local_tests(TCase *large)
{
	tcase_add_test(large, an_area_is_given_to_who_asks_and_to_read_alone);
	tcase_add_test(large, an_area_is_charged_to_its_user);
	tcase_add_test(large,
		who_keeps_all_memory_of_a_local_publisher_loses_the_ring);
}
