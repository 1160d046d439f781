/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_publication.c - who reads, a broker that dies and returns, moving to
 * another ring.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/trail.h"
#include "check_main.h"
#include "engine/inbox.h"
#include "fake_broker.h"
#include "topic/publication.h"

#define ID 0x1122334455667788ull

static struct msg_publication p;
static struct fake_client broker, again;

/* A reader of the publisher's ring, in this process. */
struct reader {
	struct msg_shm_segment ledger;
	struct msg_inbox inbox;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	int bell[2];
	uint64_t expected;
};

static struct reader one, relay;

static struct msg_publication_options options(void)
{
	return (struct msg_publication_options){
		.path = fake_path,
		.topic = "a.b",
		.incarnation = ID,
		.message_bytes_max = 2000,
		.loan_count_max = FAKE_SLOTS,
		.period_ms = 500,
	};
}

static void setup(void)
{
	struct msg_publication_options o = options();

	fake_open();
	fake_serve(&broker, NULL);
	ck_assert_msg(msg_publication_open(&p, &o) == 0, "%s",
		msg_trail_text());
	fake_served(&broker);
}

static void leave(struct reader *r)
{
	if (r->inbox.records)
		msg_inbox_close(&r->inbox);
}

static void teardown(void)
{
	msg_publication_close(&p, 0);
	leave(&one);
	leave(&relay);
	fake_hang_up(&broker);
	if (again.thread)
		fake_hang_up(&again);
	fake_close();
}

/* Open a reader of the client's ring, and tell the publisher of it. */
static void join_ring(struct reader *r, struct fake_client *c, uint32_t number,
	enum msg_control_policy policy, uint32_t pid)
{
	struct msg_control message = {.kind = MSG_CONTROL_READER};
	struct msg_inbox_options inbox = {
		.record_count = 64,
		.ring_max = 1,
		.publisher_count_max = 4,
		.counts_losses = true,
		.counters = r->counters,
	};
	struct msg_inbox_ring_options ring = {
		.header = (const struct msg_ring_header *)c->ring.base,
		.entry_count = FAKE_ENTRIES,
		.number = number,
		.start = MSG_RING_HEAD,
		.pool = c->pool.base,
		.pool_bytes = (uint64_t)FAKE_SLOTS * FAKE_PAYLOAD,
		.publisher = (uint32_t)ID,
		.held_max = 64,
	};
	struct msg_inbox_ring *opened;
	int fds[2];

	leave(r);
	memset(r, 0, sizeof *r);
	ck_assert_int_eq(msg_shm_segment_create(&r->ledger, "fake-ledger",
				 msg_ring_ledger_bytes(64), 0),
		0);
	ck_assert_int_eq(
		msg_shm_segment_seal(&r->ledger, MSG_SHM_SEAL_SIZE), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, r->bell), 0);
	fds[0] = r->ledger.fd;
	fds[1] = r->bell[0];
	message.reader = (struct msg_control_reader){
		.reader = number,
		.policy = policy,
		.hold_max = 64,
		.pid = pid,
	};
	fake_say(c, &message, fds, 2);
	ring.ledger = (struct msg_ring_ledger *)r->ledger.base;
	ck_assert_int_eq(msg_inbox_open(&r->inbox, &inbox), 0);
	ck_assert_int_eq(msg_inbox_add(&r->inbox, &ring, &opened), 0);
}

static int publish(size_t bytes)
{
	uint64_t sequence = p.current->outbox.lender.sequence;
	struct msg_loan loan;
	int result = msg_publication_lend(&p, bytes, &loan);

	if (result < 0)
		return result;
	memcpy(loan.data, &sequence, sizeof sequence);
	return msg_publication_send(&p, &loan, bytes);
}

static void expect(struct reader *r, uint64_t sequence)
{
	struct msg_view view;

	ck_assert_int_eq(msg_inbox_take(&r->inbox, &view, 1), 1);
	ck_assert_uint_eq(view.sequence, sequence);
	ck_assert_mem_eq(view.data, &sequence, sizeof sequence);
	msg_inbox_release(&r->inbox, &view, 1);
}

static void take_away(struct reader *r)
{
	struct msg_view view;

	ck_assert_int_eq(msg_inbox_take(&r->inbox, &view, 1), 1);
	msg_inbox_release(&r->inbox, &view, 1);
}

/* This one is of before there were any. */
START_TEST(a_broker_without_large_messages_is_told_apart)
{
	struct msg_publication_options o = options();

	fake_open();
	o.large_bytes_max = 1;
	o.large_memory_bytes = 4096;
	fake_welcome(&broker);
	ck_assert_int_eq(msg_publication_open(&p, &o), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(
		strstr(msg_trail_text(), "takes no large messages"));
	fake_served(&broker);
	fake_hang_up(&broker);
	fake_close();
}
END_TEST

START_TEST(readers_are_told_of_and_read_in_place)
{
	setup();
	ck_assert_str_eq(broker.asked.publish.topic, "a.b");
	ck_assert_uint_eq(broker.asked.publish.incarnation, ID);
	ck_assert_uint_eq(broker.asked.publish.next_sequence, 0);
	ck_assert_int_eq(publish(100), 0);
	/* It reads what is published once it is there, and the publisher learns
	 * of it by itself. */
	join_ring(&one, &broker, 5, MSG_CONTROL_LAP, 99);
	for (uint64_t i = 1; i < 500; i++) {
		ck_assert_int_eq(publish(8 + 32 * (i % 7)), 0);
		expect(&one, i);
	}
	ck_assert(msg_ring_writer_has(&p.current->outbox.ring, 5));
	teardown();
}
END_TEST

START_TEST(a_sleeper_on_its_descriptor_hears_the_doorbell)
{
	struct msg_control gone = {.kind = MSG_CONTROL_READER_GONE};
	struct pollfd wake;
	char bytes[8];

	setup();
	join_ring(&one, &broker, 5, MSG_CONTROL_LAP, 99);
	wake = (struct pollfd){.fd = one.bell[1], .events = POLLIN};
	ck_assert_int_eq(publish(100), 0);
	ck_assert_int_eq(poll(&wake, 1, 0), 0);
	msg_ring_sleep(
		&one.inbox.rings[0]->reader, MSG_RING_SLEEP_DESCRIPTOR);
	ck_assert_int_eq(publish(100), 0);
	ck_assert_int_eq(publish(100), 0);
	ck_assert_int_eq(poll(&wake, 1, 0), 1);
	/* Once a sleep. */
	ck_assert_int_eq(recv(one.bell[1], bytes, 8, MSG_DONTWAIT), 1);
	gone.reader_gone.reader = 5;
	fake_say(&broker, &gone, NULL, 0);
	ck_assert_int_eq(publish(100), 0);
	ck_assert(!msg_ring_writer_has(&p.current->outbox.ring, 5));
	teardown();
}
END_TEST

START_TEST(one_that_may_not_be_lapped_is_waited_for)
{
	uint32_t count = 0;

	setup();
	join_ring(&one, &broker, 5, MSG_CONTROL_BLOCK, 99);
	while (publish(100) == 0)
		count++;
	ck_assert_uint_eq(count, FAKE_SLOTS);
	ck_assert_uint_gt(
		msg_counter_get(&p.counters[MSG_COUNTER_LOAN_REFUSED]), 0);
	for (uint64_t i = 0; i < FAKE_SLOTS; i++)
		expect(&one, i);
	msg_inbox_settle(&one.inbox);
	ck_assert_int_eq(publish(100), 0);
	teardown();
}
END_TEST

/* Until that was asked of a calling publisher long enough. */
static void await_phase(enum msg_client_phase phase)
{
	uint64_t end = msg_clock_ns() + 5 * MSG_NS_PER_S;

	while (p.client.phase != phase && msg_clock_ns() < end) {
		usleep(5000);
		msg_publication_flush(&p);
	}
	ck_assert_int_eq(p.client.phase, phase);
}

static uint64_t begin_of(const struct fake_client *c)
{
	const struct msg_ring_header *header =
		(const struct msg_ring_header *)c->ring.base;

	return msg_load(&header->begin, acquire);
}

START_TEST(a_publisher_outlives_its_broker)
{
	struct msg_loan held;
	uint64_t next;

	setup();
	join_ring(&one, &broker, 5, MSG_CONTROL_LAP, 99);
	join_ring(&relay, &broker, 6, MSG_CONTROL_BLOCK, FAKE_PID);
	for (uint64_t i = 0; i < 10; i++) {
		ck_assert_int_eq(publish(100), 0);
		expect(&one, i);
	}
	fake_hang_up(&broker);
	await_phase(MSG_CLIENT_AWAY);
	/* Nobody waits for the broker's own reader; the other reads on. */
	for (uint64_t i = 10; i < 110; i++) {
		ck_assert_int_eq(publish(100), 0);
		if (i % 2)
			take_away(&one);
	}
	ck_assert(!msg_ring_writer_has(&p.current->outbox.ring, 6));
	ck_assert(msg_ring_writer_has(&p.current->outbox.ring, 5));
	ck_assert_int_eq(msg_publication_lend(&p, 100, &held), 0);
	fake_serve(&again, NULL);
	await_phase(MSG_CLIENT_SERVED);
	fake_served(&again);
	next = p.current->outbox.lender.sequence;
	ck_assert_uint_eq(again.asked.publish.incarnation, ID);
	ck_assert_uint_eq(again.asked.publish.next_sequence, next);
	/* A loan is out: it does not move yet. */
	join_ring(&one, &again, 2, MSG_CONTROL_LAP, 99);
	ck_assert_int_eq(publish(100), 0);
	ck_assert_ptr_nonnull(p.next);
	ck_assert_uint_eq(begin_of(&again), 0);
	memcpy(held.data, &next, sizeof next);
	ck_assert_int_eq(msg_publication_send(&p, &held, 100), 0);
	ck_assert_int_eq(publish(100), 0);
	ck_assert_ptr_null(p.next);
	expect(&one, next + 2);
	/* What the old ring had is told without an entry, too. */
	ck_assert_uint_eq(begin_of(&again), next + 2);
	ck_assert_int_eq(publish(8), 0);
	expect(&one, next + 3);
	ck_assert_uint_eq(
		msg_counter_get(&p.counters[MSG_COUNTER_REATTACHED]), 1);
	ck_assert_uint_eq(
		msg_counter_get(&p.counters[MSG_COUNTER_MESSAGES]), next + 4);
	teardown();
}
END_TEST

/* Try to publish, for some time; whether that was possible. */
static bool publish_within(uint64_t ns)
{
	uint64_t end = msg_clock_ns() + ns;

	while (publish(100) != 0) {
		if (msg_clock_ns() > end)
			return false;
		usleep(5000);
	}
	return true;
}

START_TEST(a_reader_that_dies_meanwhile_holds_nobody_up)
{
	setup();
	join_ring(&one, &broker, 5, MSG_CONTROL_BLOCK, 99);
	join_ring(&relay, &broker, 6, MSG_CONTROL_BLOCK, 98);
	ck_assert_int_eq(publish(100), 0);
	fake_hang_up(&broker);
	await_phase(MSG_CLIENT_AWAY);
	while (publish(100) == 0)
		;
	/* Both live, and are waited for. */
	ck_assert(!publish_within(300 * MSG_NS_PER_MS));
	ck_assert(msg_ring_writer_has(&p.current->outbox.ring, 5));
	close(one.bell[1]);
	ck_assert(!publish_within(300 * MSG_NS_PER_MS));
	ck_assert(!msg_ring_writer_has(&p.current->outbox.ring, 5));
	ck_assert(msg_ring_writer_has(&p.current->outbox.ring, 6));
	for (uint64_t i = 0; i < FAKE_SLOTS; i++)
		expect(&relay, i);
	msg_inbox_settle(&relay.inbox);
	ck_assert(publish_within(5 * MSG_NS_PER_S));
	while (publish(100) == 0)
		;
	close(relay.bell[1]);
	ck_assert(publish_within(5 * MSG_NS_PER_S));
	teardown();
}
END_TEST

/* A reader of the old ring that does not find the next broker: one that may be
 * lapped has half a second, one that may not loses nothing while it lives. */
START_TEST(who_may_not_lose_anything_is_followed_by_the_publisher)
{
	setup();
	join_ring(&one, &broker, 5, MSG_CONTROL_BLOCK, 99);
	join_ring(&relay, &broker, 6, MSG_CONTROL_LAP, 98);
	ck_assert_int_eq(publish(100), 0);
	expect(&one, 0);
	fake_hang_up(&broker);
	await_phase(MSG_CLIENT_AWAY);
	fake_serve(&again, NULL);
	await_phase(MSG_CLIENT_SERVED);
	fake_served(&again);
	ck_assert_ptr_nonnull(p.next);
	usleep(700000);
	for (uint64_t i = 1; i < 10; i++) {
		ck_assert_int_eq(publish(100), 0);
		ck_assert_ptr_nonnull(p.next);
		expect(&one, i);
	}
	if (_i == 0)
		/* It is no more. */
		close(one.bell[1]);
	else if (_i == 1)
		/* It had as long as a broker has for an answer. */
		p.move_end = msg_clock_coarse_ns();
	else
		/* It is there, and so is the other. */
		for (uint32_t i = 0; i < 2; i++)
			join_ring(i ? &relay : &one, &again, i,
				MSG_CONTROL_BLOCK, 99);
	usleep(100000);
	ck_assert_int_eq(publish(100), 0);
	ck_assert_int_eq(publish(100), 0);
	ck_assert_ptr_null(p.next);
	teardown();
}
END_TEST

/* The broker dies and returns while nobody calls but the attendant. */
static void leave_to(struct msg_attendant *attendant)
{
	uint64_t end;

	setup();
	join_ring(&one, &broker, 5, MSG_CONTROL_LAP, 99);
	ck_assert_int_eq(publish(100), 0);
	msg_attendant_add(attendant, &p.attended);
	fake_hang_up(&broker);
	usleep(100000);
	fake_serve(&again, NULL);
	end = msg_clock_ns() + 10 * MSG_NS_PER_S;
	while (msg_counter_get(&p.counters[MSG_COUNTER_REATTACHED]) == 0) {
		ck_assert_uint_lt(msg_clock_ns(), end);
		if (!attendant->threaded)
			msg_attendant_turn(attendant);
		usleep(1000);
	}
	fake_served(&again);
	ck_assert_uint_eq(again.asked.publish.incarnation, ID);
	ck_assert_uint_eq(again.asked.publish.next_sequence, 1);
	/* Its readers have come, or had their time; the next call moves. */
	usleep(600000);
	msg_attendant_remove(attendant, &p.attended);
	msg_attendant_close(attendant);
	ck_assert_int_eq(publish(100), 0);
	ck_assert_ptr_null(p.next);
	teardown();
}

START_TEST(who_makes_no_calls_is_attended_by_a_thread)
{
	struct msg_attendant attendant;

	ck_assert_int_eq(msg_attendant_open(&attendant, true), 0);
	leave_to(&attendant);
}
END_TEST

START_TEST(who_makes_no_calls_is_attended_when_asked)
{
	struct msg_attendant attendant;

	ck_assert_int_eq(msg_attendant_open(&attendant, false), 0);
	leave_to(&attendant);
}
END_TEST

START_TEST(a_refusal_is_the_brokers_own_words)
{
	struct msg_publication_options o = options();

	fake_open();
	fake_serve(&broker, "not that topic");
	ck_assert_int_eq(msg_publication_open(&p, &o), -MSG_ERROR_DENIED);
	ck_assert_str_eq(msg_trail_text(), "not that topic");
	fake_served(&broker);
	fake_hang_up(&broker);
	fake_close();
}
END_TEST

/* ---- an answer that takes a while --------------------------------------- */

static int ask_nothing(void *context)
{
	(void)context;
	return 0;
}

static int served(void *context, const struct msg_control *said,
	struct msg_control_frame *frame)
{
	struct msg_client *c = context;

	(void)frame;
	ck_assert_int_eq(said->kind, MSG_CONTROL_LISTING);
	c->phase = MSG_CLIENT_SERVED;
	return 0;
}

static void hung_up(void *context, bool refused)
{
	(void)context;
	(void)refused;
}

static const struct msg_client_calls waiting = {
	.ask = ask_nothing, .hear = served, .lost = hung_up};

/* What the client waits for comes when it has waited longer than is usual. */
static void *answer(void *context)
{
	struct msg_control listing = {.kind = MSG_CONTROL_LISTING};

	poll(NULL, 0, 100);
	fake_say(context, &listing, NULL, 0);
	return NULL;
}

START_TEST(an_answer_that_is_under_way_is_waited_for)
{
	struct msg_control under_way = {.kind = MSG_CONTROL_UNDER_WAY};
	struct msg_client c;
	pthread_t thread;

	fake_open();
	fake_welcome(&broker);
	ck_assert_int_eq(msg_client_open(&c, fake_path, MSG_CONTROL_ONLOOKER,
				 &waiting, &c), 0);
	fake_served(&broker);
	ck_assert_int_eq(
		msg_client_await(&c, MSG_NS_PER_MS), -MSG_ERROR_FABRIC);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "does not answer"));
	fake_say(&broker, &under_way, NULL, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, answer, &broker), 0);
	ck_assert_int_eq(msg_client_await(&c, MSG_NS_PER_MS), 0);
	ck_assert(c.under_way);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	msg_client_close(&c);
	fake_hang_up(&broker);
	fake_close();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("publication");
	TCase *readers = check_case(suite, "readers", 20);
	TCase *late = check_case(suite, "late", 60);
	TCase *life = check_case(suite, "life", 20);

	tcase_add_test(readers, a_broker_without_large_messages_is_told_apart);
	tcase_add_test(readers, readers_are_told_of_and_read_in_place);
	tcase_add_test(
		readers, a_sleeper_on_its_descriptor_hears_the_doorbell);
	tcase_add_test(readers, one_that_may_not_be_lapped_is_waited_for);
	tcase_add_test(late, an_answer_that_is_under_way_is_waited_for);
	tcase_add_test(life, a_publisher_outlives_its_broker);
	tcase_add_test(life, a_reader_that_dies_meanwhile_holds_nobody_up);
	tcase_add_loop_test(life,
		who_may_not_lose_anything_is_followed_by_the_publisher, 0, 3);
	tcase_add_test(life, who_makes_no_calls_is_attended_by_a_thread);
	tcase_add_test(life, who_makes_no_calls_is_attended_when_asked);
	tcase_add_test(life, a_refusal_is_the_brokers_own_words);
	return check_main(suite, NULL);
}
