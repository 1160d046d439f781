/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_large.c - large messages between a host with a broker and another host.
 *
 *     test_survive_large [--device rxe0]
 *
 * The other host is this process, straight on the lane, with a thread that serves
 * whoever reads from it.  What the broker holds is looked at from outside: when all
 * is over it has the descriptors and connections that it had.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "actor.h"
#include "lane.h"
#include "stranger.h"

#define TOPIC "large.test"
#define MIB ((size_t)1 << 20)
#define BYTES large_bytes
#define S_NS 1000000000ll

static const char *device; /* Or NULL: kernel UDP on loopback. */
static const char *large_memory[] = {"--large-bytes", "20Mi", NULL};
static size_t large_bytes = 8 * MIB + 5; /* Of a message; two find room. */

static struct lane lane;
static struct host host;
static struct msg_node *node;  /* On the broker. */
static struct msg_node *other; /* Another host. */
static const uint32_t deliveries[] = {
	MSG_RELIABILITY_RELIABLE, MSG_RELIABILITY_RC};

static void open_other(void)
{
	struct msg_node_options o = lane_node_options(&lane);

	o.announce_ms = 20;
	o.flags = MSG_NODE_PROGRESS_THREAD;
	ck_assert_msg(msg_node_open(&o, &other) == 0, "%s", msg_error_text());
}

static void setup_with(const char *config)
{
	lane_choose(&lane, device, large_memory);
	actors_open();
	host_open(&host, config);
	host.arguments = lane.arguments;
	host_start(&host);
	ck_assert_msg(host_node(&host, &node) == 0, "%s", msg_error_text());
	open_other();
}

static void setup(void)
{
	setup_with(NULL);
}

static void teardown(void)
{
	ck_assert_int_eq(msg_node_close(node), 0);
	ck_assert_int_eq(msg_node_close(other), 0);
	ck_assert(host_is_alive(&host));
	host_close(&host);
}

/* ---- both sides ------------------------------------------------------------ */

static struct msg_publisher *publish_with(struct msg_node *on,
	uint32_t reliability, size_t memory, uint32_t give_up_ms)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *p;

	o.topic = TOPIC;
	o.reliability = reliability;
	o.flow = MSG_FLOW_MIN;
	o.large_bytes_max = BYTES;
	o.large_memory_bytes = memory;
	o.give_up_ms = give_up_ms;
	ck_assert_msg(msg_publisher_open(on, &o, &p) == 0, "%s",
		msg_error_text());
	return p;
}

static struct msg_publisher *publish_on(
	struct msg_node *on, uint32_t reliability, size_t memory)
{
	return publish_with(on, reliability, memory, 20000);
}

static struct msg_subscriber *subscribe_with(
	struct msg_node *on, size_t bytes, bool events, uint32_t give_up_ms)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = TOPIC;
	o.large_bytes_max = bytes;
	o.give_up_ms = give_up_ms;
	o.events = events;
	ck_assert_msg(msg_subscriber_open(on, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

/* With more patience than a busy machine asks for. */
static struct msg_subscriber *subscribe_on(
	struct msg_node *on, size_t bytes, bool events)
{
	return subscribe_with(on, bytes, events, 20000);
}

/* Message `number` of its publisher; false: not now. */
static bool try_put(struct msg_publisher *p, uint64_t number, size_t bytes)
{
	struct msg_loan loan;
	int result = msg_publisher_loan(p, bytes, &loan);

	ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
	if (result < 0)
		return false;
	message_fill(loan.data, bytes, msg_publisher_id(p), number, 0);
	ck_assert_int_eq(msg_publisher_send(p, &loan, bytes), 0);
	return true;
}

static void put(struct msg_publisher *p, uint64_t number, size_t bytes)
{
	AWAIT(30, try_put(p, number, bytes));
}

/* The next view that is a message, or LOST; the caller's to release. */
static bool take(struct msg_subscriber *s, struct msg_view *view, int64_t ns)
{
	uint64_t end = now_ns() + (uint64_t)ns;

	for (;;) {
		int n = msg_subscriber_take(s, view, 1);

		ck_assert_int_ge(n, 0);
		if (n == 1 && (view->event == MSG_EVENT_MESSAGE ||
				      view->event == MSG_EVENT_LOST))
			return true;
		if (n == 1)
			msg_subscriber_release(s, view, 1);
		else if (now_ns() >= end)
			return false;
		else
			ck_assert_int_ne(msg_subscriber_wait(s, S_NS / 100),
				-MSG_ERROR_FABRIC);
	}
}

static void check_event(const struct msg_view *view)
{
	ck_assert_msg(view->event == MSG_EVENT_MESSAGE && view->lost_before == 0,
		"%d were lost before message %d, for reason %d",
		(int)view->lost_before, (int)view->sequence,
		(int)view->reason);
}

static struct msg_view expect(
	struct msg_subscriber *s, uint64_t number, size_t bytes)
{
	struct msg_view view;

	ck_assert(take(s, &view, 30 * S_NS));
	check_event(&view);
	ck_assert_uint_eq(view.sequence, number);
	ck_assert_uint_eq(view.segment_count, 1);
	ck_assert_uint_eq(view.bytes, bytes);
	ck_assert(message_is(view.data, bytes, view.publisher, number));
	return view;
}

static void expect_back(struct msg_subscriber *s, uint64_t number, size_t bytes)
{
	struct msg_view view = expect(s, number, bytes);

	msg_subscriber_release(s, &view, 1);
}

static void expect_loss(
	struct msg_subscriber *s, uint64_t next, enum msg_loss reason)
{
	struct msg_view view;

	ck_assert(take(s, &view, 30 * S_NS));
	ck_assert_uint_eq(view.event, MSG_EVENT_LOST);
	ck_assert_uint_eq(view.sequence, next);
	ck_assert_uint_eq(view.lost_before, 1);
	ck_assert_uint_eq(view.reason, reason);
	msg_subscriber_release(s, &view, 1);
}

/* It knows the publisher, and misses nothing from here on. */
static void meet(struct msg_subscriber *s)
{
	struct msg_view view = {.event = MSG_EVENT_MESSAGE};
	uint64_t end = now_ns() + 60 * (uint64_t)S_NS;

	while (view.event != MSG_EVENT_JOINED) {
		int n = msg_subscriber_take(s, &view, 1);

		ck_assert_int_ge(n, 0);
		ck_assert_uint_lt(now_ns(), end);
		if (n == 1)
			msg_subscriber_release(s, &view, 1);
		else
			ck_assert_int_ne(msg_subscriber_wait(s, S_NS / 100),
				-MSG_ERROR_FABRIC);
	}
}

/* ---- from host to host ------------------------------------------------------ */

/* Of a publisher here: subscribers of both hosts, among other messages. */
START_TEST(what_a_local_publisher_shows_is_read_on_both_hosts)
{
	struct msg_publisher *p;
	struct msg_subscriber *here, *there;

	setup();
	here = subscribe_on(node, BYTES, true);
	there = subscribe_on(other, BYTES, true);
	p = publish_on(node, deliveries[_i], 2 * BYTES);
	meet(here);
	meet(there);
	for (uint64_t i = 0; i < 12; i++) {
		size_t bytes = i % 3 == 1 ? BYTES - i : 100 + i;

		put(p, i, bytes);
		expect_back(here, i, bytes);
		expect_back(there, i, bytes);
	}
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* Of another host: one that wants them all, one that wants smaller ones, one that
 * wants none. */
START_TEST(what_another_host_shows_is_read_once_for_all_here)
{
	struct msg_publisher *p;
	struct msg_subscriber *all, *same, *less, *none;
	struct msg_view one, two;

	setup();
	none = subscribe_on(node, 0, true);
	less = subscribe_on(node, BYTES - 1, true);
	all = subscribe_on(node, BYTES, true);
	same = subscribe_on(node, BYTES, true);
	p = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(none);
	meet(less);
	meet(all);
	meet(same);
	put(p, 0, 100);
	put(p, 1, BYTES);
	put(p, 2, BYTES - 1);
	put(p, 3, 100);
	expect_back(all, 0, 100);
	one = expect(all, 1, BYTES);
	ck_assert_uint_eq((uintptr_t)one.data % 4096, 0);
	expect_back(same, 0, 100);
	two = expect(same, 1, BYTES);
	expect_back(none, 0, 100);
	expect_loss(none, 2, MSG_LOSS_TOO_LARGE);
	expect_loss(none, 3, MSG_LOSS_TOO_LARGE);
	expect_back(none, 3, 100);
	expect_back(less, 0, 100);
	expect_loss(less, 2, MSG_LOSS_TOO_LARGE);
	expect_back(less, 2, BYTES - 1);
	expect_back(less, 3, 100);
	ck_assert_uint_eq(
		msg_subscriber_counter(none, MSG_COUNTER_TOO_LARGE), 2);
	msg_subscriber_release(all, &one, 1);
	msg_subscriber_release(same, &two, 1);
	expect_back(all, 2, BYTES - 1);
	expect_back(all, 3, 100);
	expect_back(same, 2, BYTES - 1);
	expect_back(same, 3, 100);
	ck_assert_int_eq(msg_subscriber_close(none), 0);
	ck_assert_int_eq(msg_subscriber_close(less), 0);
	ck_assert_int_eq(msg_subscriber_close(all), 0);
	ck_assert_int_eq(msg_subscriber_close(same), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* More than fits anywhere, each way; no reader lets any wait. */
static void pass_many(struct msg_node *from, uint32_t reliability)
{
	struct msg_subscriber *here = subscribe_on(node, BYTES, true);
	struct msg_subscriber *there = subscribe_on(other, BYTES, true);
	struct msg_publisher *p = publish_on(from, reliability, 2 * BYTES);
	uint64_t sent = 0, a = 0, b = 0, end = now_ns() + 60 * (uint64_t)S_NS;

	meet(here);
	meet(there);
	while (a < 10 || b < 10) {
		struct msg_view view;

		if (sent < 10)
			sent += try_put(p, sent, BYTES);
		if (take(here, &view, 0)) {
			check_event(&view);
			ck_assert_uint_eq(view.sequence, a);
			ck_assert(message_is(view.data, BYTES, view.publisher, a++));
			msg_subscriber_release(here, &view, 1);
		}
		if (take(there, &view, 0)) {
			check_event(&view);
			ck_assert_uint_eq(view.sequence, b);
			ck_assert(message_is(view.data, BYTES, view.publisher, b++));
			msg_subscriber_release(there, &view, 1);
		}
		ck_assert_msg(now_ns() < end,
			"%d of 10 were sent, %d taken here and %d there",
			(int)sent, (int)a, (int)b);
	}
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
}

START_TEST(many_pass_through_little_memory)
{
	setup();
	pass_many(node, deliveries[_i]);
	pass_many(other, deliveries[_i]);
	teardown();
}
END_TEST

/* The broker has room for two of the other host's: who keeps two costs the others
 * what comes meanwhile, in words and each after its patience, and nothing more. */
START_TEST(a_reader_that_keeps_views_stops_nobody_for_good)
{
	struct msg_publisher *p;
	struct msg_subscriber *keeps, *goes;
	struct msg_view kept[2];

	setup();
	keeps = subscribe_with(node, BYTES, true, 1000);
	goes = subscribe_with(node, BYTES, true, 1000);
	p = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(keeps);
	meet(goes);
	for (uint64_t i = 0; i < 2; i++) {
		put(p, i, BYTES);
		kept[i] = expect(keeps, i, BYTES);
		expect_back(goes, i, BYTES);
	}
	put(p, 2, BYTES);
	put(p, 3, 100);
	expect_loss(goes, 3, MSG_LOSS_TOO_LARGE);
	expect_back(goes, 3, 100);
	for (uint64_t i = 0; i < 2; i++)
		ck_assert(message_is(kept[i].data, BYTES, kept[i].publisher, i));
	msg_subscriber_release(keeps, kept, 2);
	expect_loss(keeps, 3, MSG_LOSS_TOO_LARGE);
	expect_back(keeps, 3, 100);
	put(p, 4, BYTES);
	expect_back(goes, 4, BYTES);
	expect_back(keeps, 4, BYTES);
	ck_assert_int_eq(msg_subscriber_close(keeps), 0);
	ck_assert_int_eq(msg_subscriber_close(goes), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* ---- on one host ------------------------------------------------------------ */

static struct msg_subscriber *subscribe_slowly(uint32_t slow)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;

	o.topic = TOPIC;
	o.large_bytes_max = BYTES;
	o.slow = slow;
	ck_assert_msg(msg_subscriber_open(node, &o, &s) == 0, "%s",
		msg_error_text());
	return s;
}

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

/* ---- those that die ----------------------------------------------------------- */

/* Keeps the first two large messages, and makes no call from there on. */
static void keep_two(struct actor *me, const void *context)
{
	struct msg_node *mine;
	struct msg_subscriber *s;
	struct msg_view view;
	uint32_t kept = 0;

	(void)context;
	actor_must(me, host_node(&host, &mine), "node");
	node = mine;
	s = subscribe_slowly(MSG_SLOW_BLOCK);
	atomic_store(&me->ready, true);
	while (kept < 2) {
		int n = msg_subscriber_take(s, &view, 1);

		actor_must(me, n, "take");
		kept += n == 1 && view.bytes == BYTES;
		atomic_store(&me->in_hand, kept);
		if (n == 0)
			sleep_us(100);
	}
	while (!atomic_load(&me->stop))
		sleep_us(1000);
}

/* Publishes three, the second of them large, and makes no call from there on. */
static void publish_three(struct actor *me, const void *context)
{
	struct msg_node *mine;
	struct msg_publisher *p;

	actor_must(me, host_node(&host, &mine), "node");
	p = publish_on(mine, *(const uint32_t *)context, 2 * BYTES);
	atomic_store(&me->publisher, msg_publisher_id(p));
	atomic_store(&me->ready, true);
	while (atomic_load(&me->mode) != ACTOR_KEEP)
		sleep_us(100);
	for (uint64_t i = 0; i < 3; i++) {
		size_t bytes = i == 1 ? BYTES : 100;

		while (!try_put(p, i, bytes))
			sleep_us(100);
		atomic_store(&me->published, i + 1);
	}
	while (!atomic_load(&me->stop))
		sleep_us(1000);
}

static unsigned areas_mapped(void)
{
	return process_maps(getpid(), "memfd:msg-large");
}

/* Who may not be lapped dies with all memory in hand: at once there is room. */
START_TEST(a_subscriber_that_dies_gives_all_back)
{
	struct msg_publisher *p;
	struct msg_subscriber *s;
	struct actor *keeps;

	setup();
	keeps = actor_start("keeps", keep_two, NULL);
	AWAIT(20, atomic_load(&keeps->ready));
	s = subscribe_on(node, BYTES, true);
	p = publish_on(node, deliveries[_i], 2 * (BYTES + 4096));
	meet(s);
	for (uint64_t i = 0; i < 2; i++) {
		put(p, i, BYTES);
		expect_back(s, i, BYTES);
	}
	AWAIT(20, atomic_load(&keeps->in_hand) == 2);
	ck_assert(!try_put(p, 2, BYTES));
	actor_kill(keeps);
	for (uint64_t i = 2; i < 5; i++) {
		put(p, i, BYTES);
		expect_back(s, i, BYTES);
	}
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	teardown();
}
END_TEST

/* What it had published is read, also by the other host, from memory that is the
 * broker's, too; views stay as they are. */
static void read_of_dead(
	struct msg_subscriber *here, struct msg_subscriber *there, int delivery)
{
	struct actor *dies =
		actor_start("dies", publish_three, &deliveries[delivery]);
	struct msg_view view;

	AWAIT(20, atomic_load(&dies->ready));
	meet(here);
	meet(there);
	atomic_store(&dies->mode, ACTOR_KEEP);
	AWAIT(20, atomic_load(&dies->published) == 3);
	actor_kill(dies);
	expect_back(there, 0, 100);
	expect_back(there, 1, BYTES);
	expect_back(there, 2, 100);
	expect_back(here, 0, 100);
	view = expect(here, 1, BYTES);
	expect_back(here, 2, 100);
	/* All but the feed's. */
	AWAIT(20, process_maps(host.broker, "memfd:msg-large") == 1);
	ck_assert_uint_eq(areas_mapped(), 2);
	ck_assert(message_is(view.data, BYTES, view.publisher, 1));
	msg_subscriber_release(here, &view, 1);
	for (uint64_t end = now_ns() + 20 * (uint64_t)S_NS;
		areas_mapped() > 1;) {
		ck_assert_uint_lt(now_ns(), end);
		if (take(here, &view, S_NS / 100))
			ck_abort_msg("message %d came", (int)view.sequence);
	}
}

/* The first round opens what is opened once. */
START_TEST(what_a_dead_publisher_has_shown_is_read)
{
	struct msg_subscriber *here, *there;
	unsigned descriptors = 0;

	setup();
	here = subscribe_on(node, BYTES, true);
	there = subscribe_on(other, BYTES, true);
	for (int i = 0; i < 3; i++) {
		read_of_dead(here, there, _i);
		if (i == 0) {
			sleep_us(500000);
			descriptors = process_descriptors(host.broker);
		}
	}
	AWAIT(20, process_descriptors(host.broker) <= descriptors);
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_uint_eq(areas_mapped(), 0);
	teardown();
}
END_TEST

/* Views stay readable, large messages go on among those of this host; and when a
 * broker is back, from host to host. */
START_TEST(a_broker_that_dies_takes_no_message_along)
{
	struct msg_publisher *p, *theirs;
	struct msg_subscriber *here, *there;
	struct msg_view held, of_theirs;
	uint64_t next = 2;

	setup();
	here = subscribe_on(node, BYTES, true);
	there = subscribe_on(other, BYTES, true);
	p = publish_on(node, deliveries[_i], 4 * BYTES);
	meet(here);
	meet(there);
	put(p, 0, BYTES);
	held = expect(here, 0, BYTES);
	expect_back(there, 0, BYTES);
	theirs = publish_on(other, deliveries[_i], 4 * BYTES);
	meet(here);
	put(theirs, 0, BYTES);
	of_theirs = expect(here, 0, BYTES);
	expect_back(there, 0, BYTES);
	ck_assert(WIFSIGNALED(host_end(&host, SIGKILL)));
	put(p, 1, BYTES);
	expect_back(here, 1, BYTES);
	host_start(&host);
	/* Until both of this host have moved to its memory, and the other has
	 * found it. */
	while (msg_publisher_counter(p, MSG_COUNTER_REATTACHED) == 0 ||
		msg_subscriber_counter(here, MSG_COUNTER_REATTACHED) == 0) {
		put(p, next, 50);
		expect_back(here, next++, 50);
		ck_assert_uint_lt(next, 5000);
		sleep_us(10000);
	}
	for (int i = 0; i < 3; i++) {
		put(p, next, BYTES);
		expect_back(here, next++, BYTES);
	}
	ck_assert(message_is(held.data, BYTES, held.publisher, 0));
	ck_assert(message_is(of_theirs.data, BYTES, of_theirs.publisher, 0));
	for (;;) {
		struct msg_view view;

		/* What was lost to it meanwhile it is told of. */
		ck_assert(take(there, &view, 30 * S_NS));
		if (view.event == MSG_EVENT_MESSAGE &&
			view.sequence == next - 1) {
			ck_assert(message_is(view.data, BYTES, view.publisher,
				view.sequence));
			msg_subscriber_release(there, &view, 1);
			break;
		}
		msg_subscriber_release(there, &view, 1);
	}
	msg_subscriber_release(here, &held, 1);
	msg_subscriber_release(here, &of_theirs, 1);
	ck_assert_int_eq(msg_subscriber_close(here), 0);
	ck_assert_int_eq(msg_subscriber_close(there), 0);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_publisher_close(theirs), 0);
	ck_assert_uint_eq(areas_mapped(), 0);
	teardown();
}
END_TEST

/* An emulated machine is slow, and has little memory. */
static void take_device(const char *name)
{
	device = name;
	large_bytes = MIB + 5;
	large_memory[1] = "2600Ki";
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("survive_large");
	TCase *large = check_case(suite, "large", 120);

	if (argc == 3 && strcmp(argv[1], "--device") == 0)
		take_device(argv[2]);
	tcase_add_loop_test(large,
		what_a_local_publisher_shows_is_read_on_both_hosts, 0, 2);
	tcase_add_loop_test(large,
		what_another_host_shows_is_read_once_for_all_here, 0, 2);
	tcase_add_loop_test(large, many_pass_through_little_memory, 0, 2);
	tcase_add_loop_test(large,
		a_reader_that_keeps_views_stops_nobody_for_good, 0, 2);
	tcase_add_test(large, an_area_is_given_to_who_asks_and_to_read_alone);
	tcase_add_test(large, an_area_is_charged_to_its_user);
	tcase_add_test(large,
		who_keeps_all_memory_of_a_local_publisher_loses_the_ring);
	large = check_case(suite, "deaths", 120);
	tcase_add_loop_test(
		large, a_subscriber_that_dies_gives_all_back, 0, 2);
	tcase_add_loop_test(
		large, what_a_dead_publisher_has_shown_is_read, 0, 2);
	tcase_add_loop_test(
		large, a_broker_that_dies_takes_no_message_along, 0, 2);
	return check_main(suite, NULL);
}
