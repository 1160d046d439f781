/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_server.c - the broker in this process, with clients that speak frames:
 * who gets which ring, what goes from a publisher to its readers, what is left
 * when somebody goes.  The directory: server_directory.c.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_side.h"

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void put(struct side_source *s, uint64_t sequence)
{
	struct msg_ring_item item = {
		.sequence = sequence,
		.publisher = s->writer.header ? 7 : 0,
		.kind = MSG_RING_INLINE,
		.bytes = 8,
		.data = {sequence},
	};

	ck_assert(msg_ring_room(&s->writer, 1));
	msg_ring_put(&s->writer, 0, &item, MSG_RING_NO_TOKEN);
	msg_ring_advance(&s->writer, 1);
}

/* The subscriber's first ring, mapped into an inbox. */
static struct msg_inbox inbox;
static msg_counter_t counters[MSG_COUNTER_COUNT];

static void read_ring(struct broker_peer *peer, struct msg_shm_segment maps[3])
{
	struct msg_control_ring *r = &peer->got.ring;
	struct msg_inbox_options options = {
		.record_count = 64,
		.ring_max = 2,
		.publisher_count_max = 4,
		.counters = counters,
	};
	struct msg_inbox_ring *ring;
	struct msg_inbox_ring_options about;

	ck_assert_int_eq(peer->got.kind, MSG_CONTROL_RING);
	ck_assert_int_eq(msg_shm_segment_map_readonly(&maps[0], peer->fds[0],
				 msg_ring_bytes(r->entry_count)),
		0);
	ck_assert_int_eq(msg_shm_segment_map_readonly(
				 &maps[1], peer->fds[1], r->pool_bytes),
		0);
	ck_assert_int_eq(
		msg_shm_segment_map_writable(&maps[2], peer->fds[2],
			msg_ring_ledger_bytes(r->hold_max)),
		0);
	about = (struct msg_inbox_ring_options){
		.header = (struct msg_ring_header *)maps[0].base,
		.entry_count = r->entry_count,
		.ledger = (struct msg_ring_ledger *)maps[2].base,
		.number = r->reader,
		.start = r->start,
		.pool = maps[1].base,
		.pool_bytes = r->pool_bytes,
		.publisher = r->publisher,
		.topic = 5,
		.held_max = r->hold_max,
	};
	ck_assert_int_eq(msg_inbox_open(&inbox, &options), 0);
	ck_assert_int_eq(msg_inbox_add(&inbox, &about, &ring), 0);
}

START_TEST(a_publisher_is_read_without_the_broker)
{
	struct msg_shm_segment maps[3];
	struct broker_peer reader;
	struct msg_view views[8];
	struct side_source source;

	side_publish(&source, "a.b", 7);
	side_subscribe(&reader, "a.b");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_str_eq(reader.got.ring.topic, "a.b");
	ck_assert_uint_eq(reader.got.ring.publisher, 7);
	ck_assert_int_eq(reader.got.ring.origin, MSG_CONTROL_LOCAL);
	read_ring(&reader, maps);
	ck_assert_uint_eq(side_hear_readers(&source), 1);
	for (uint64_t i = 0; i < 5; i++)
		put(&source, i);
	ck_assert_int_eq(msg_inbox_take(&inbox, views, 8), 5);
	for (uint64_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(*(const uint64_t *)views[i].data, i);
		ck_assert_uint_eq(views[i].sequence, i);
		ck_assert_uint_eq(views[i].publisher, 7);
		ck_assert_uint_eq(views[i].topic, 5);
	}
	msg_inbox_release(&inbox, views, 5);
	side_leave(&source);
	/* The publisher is gone, and its readers are told so. */
	ck_assert(broker_peer_hear(&reader));
	ck_assert_int_eq(reader.got.kind, MSG_CONTROL_RING_GONE);
	msg_inbox_close(&inbox);
	broker_peer_close(&reader);
}
END_TEST

START_TEST(who_waits_reads_from_the_first_message_on)
{
	struct msg_shm_segment maps[3];
	struct broker_peer reader;
	struct msg_view views[8];
	struct side_source source;

	side_subscribe(&reader, "a.b");
	side_publish(&source, "a.b", 7);
	ck_assert_uint_eq(side_hear_readers(&source), 1);
	ck_assert(source.started);
	for (uint64_t i = 0; i < 5; i++)
		put(&source, i);
	/* Only now does it look at what it was told. */
	ck_assert(broker_peer_hear(&reader));
	ck_assert_uint_eq(reader.got.ring.start, 0);
	read_ring(&reader, maps);
	ck_assert_int_eq(msg_inbox_take(&inbox, views, 8), 5);
	ck_assert_uint_eq(views[0].sequence, 0);
	msg_inbox_release(&inbox, views, 5);
	msg_inbox_close(&inbox);
	broker_peer_close(&reader);
	side_leave(&source);
}
END_TEST

/* On this host alone nothing is lost on the way: nothing is kept for that, and what
 * is for who comes late its publisher retains. */
START_TEST(a_reliable_topic_retains_its_history_without_a_network)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};
	struct broker_peer peer;

	snprintf(m.publish.topic, sizeof m.publish.topic, "a.b");
	m.publish.incarnation = 0x1234567800000007ull;
	m.publish.message_bytes_max = 1000;
	m.publish.loan_count_max = 16;
	m.publish.period_ms = 1000;
	m.publish.reliability = MSG_RELIABILITY_RELIABLE;
	m.publish.history_bytes = 16u << 20;
	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_PUBLISHER);
	broker_peer_say(&peer, &m);
	ck_assert(broker_peer_hear(&peer));
	ck_assert_int_eq(peer.got.kind, MSG_CONTROL_PUBLISHING);
	ck_assert_uint_eq(peer.got.publishing.keep_max, 0);
	ck_assert_uint_eq(peer.got.publishing.retain,
		(16u << 20) / peer.got.publishing.slot_bytes);
	ck_assert_uint_eq(peer.got.publishing.slot_count,
		16 + peer.got.publishing.retain + 1);
	broker_peer_close(&peer);
}
END_TEST

/* Also where they may be large: the publisher takes back what it must, and says
 * before that what is kept.  Whatever it says, nobody begins beyond its head. */
START_TEST(who_comes_late_begins_with_what_its_publisher_says_is_kept)
{
	static const struct {
		uint64_t kept, start;
	} cases[] = {{0, 0}, {3, 3}, {9, 9}, {10, 10}, {11, 10},
		{1ull << 40, 10}, {UINT64_MAX, 10}};
	struct msg_ring_header *header;
	struct side_source source;

	side_publish_keeping(&source, "a.b", 7, 16u << 20);
	header = (struct msg_ring_header *)source.ring.base;
	ck_assert_uint_gt(source.peer.got.publishing.retain, 10);
	ck_assert_uint_gt(source.peer.got.publishing.large_bytes, 0);
	for (uint64_t i = 0; i < 10; i++)
		put(&source, i);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct broker_peer reader;

		atomic_store(&header->kept, cases[i].kept);
		side_subscribe_late(&reader, "a.b", UINT32_MAX);
		ck_assert(broker_peer_hear(&reader));
		ck_assert_int_eq(reader.got.kind, MSG_CONTROL_RING);
		ck_assert_uint_eq(reader.got.ring.start, cases[i].start);
		ck_assert_uint_eq(
			reader.got.ring.history, 10 - cases[i].start);
		side_hear_readers(&source);
		broker_peer_close(&reader);
		side_hear_readers(&source);
	}
	side_leave(&source);
}
END_TEST

/* Word of a reader that is in the broker's hands yet is none: its publisher would
 * look, find nothing, and use again what the reader reads. */
START_TEST(nobody_begins_before_its_publisher_can_hear_of_it)
{
	static const int little = 1;
	const struct msg_session *page;
	struct broker_peer readers[SIDE_READERS];
	const struct client *owner;
	struct side_source source;
	unsigned last = 0;
	uint32_t news;

	side_publish(&source, "a.b", 7);
	put(&source, 0);
	owner = broker_server->publishers->client;
	page = (const struct msg_session *)owner->page.base;
	ck_assert_int_eq(setsockopt(msg_socket_fd(owner->socket), SOL_SOCKET,
				 SO_SNDBUF, &little, sizeof little),
		0);
	for (;; last++) {
		ck_assert_uint_lt(last, SIDE_READERS);
		side_subscribe(&readers[last], "a.b");
		if (!client_has_room(owner))
			break;
		ck_assert(broker_peer_hear(&readers[last]));
		ck_assert_int_eq(readers[last].got.kind, MSG_CONTROL_RING);
		ck_assert_uint_eq(readers[last].got.ring.start, 1);
	}
	ck_assert(!broker_peer_hear(&readers[last]));
	put(&source, 1);
	news = msg_session_news(page);
	ck_assert_uint_gt(side_hear_readers(&source), 0);
	broker_step();
	/* What was said late is news once more. */
	ck_assert_uint_ne(msg_session_news(page), news);
	ck_assert_uint_eq(side_hear_readers(&source), 1);
	ck_assert(broker_peer_hear(&readers[last]));
	ck_assert_int_eq(readers[last].got.kind, MSG_CONTROL_RING);
	ck_assert_uint_eq(readers[last].got.ring.start, 2);
	for (unsigned i = 0; i <= last; i++) {
		broker_peer_close(&readers[i]);
		side_hear_readers(&source);
	}
	side_leave(&source);
}
END_TEST

/* A place where the last reader was evicted is not given to the next one before
 * the publisher has heard of both; and one that says so of all of them keeps
 * nobody out. */
START_TEST(a_place_is_as_if_nobody_had_been_there)
{
	struct side_source source;
	struct broker_peer reader;
	struct msg_ring_header *header;

	side_publish(&source, "a.b", 7);
	header = (struct msg_ring_header *)source.ring.base;
	atomic_store(&header->floor[0], MSG_RING_EVICTED);
	side_subscribe(&reader, "a.b");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_int_eq(reader.got.kind, MSG_CONTROL_RING);
	ck_assert_uint_eq(reader.got.ring.reader, 1);
	broker_peer_close(&reader);
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++)
		atomic_store(&header->floor[i], 5);
	side_subscribe(&reader, "a.*");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_int_eq(reader.got.kind, MSG_CONTROL_RING);
	broker_peer_close(&reader);
	side_leave(&source);
}
END_TEST

START_TEST(patterns_get_what_matches_now_and_later)
{
	struct side_source one, two, other;
	struct broker_peer reader;

	side_publish(&one, "x.one", 7);
	side_subscribe(&reader, "x.*");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_str_eq(reader.got.ring.topic, "x.one");
	side_publish(&other, "y.one", 8);
	ck_assert(!broker_peer_hear(&reader));
	side_publish(&two, "x.two", 9);
	ck_assert(broker_peer_hear(&reader));
	ck_assert_str_eq(reader.got.ring.topic, "x.two");
	ck_assert_uint_eq(side_hear_readers(&other), 0);
	ck_assert_uint_eq(side_hear_readers(&two), 1);
	broker_peer_close(&reader);
	ck_assert_uint_eq(side_hear_readers(&one), 1);
	side_leave(&one);
	side_leave(&two);
	side_leave(&other);
}
END_TEST

START_TEST(who_goes_leaves_nothing)
{
	struct broker_peer warm;
	unsigned before;

	broker_peer_open(&warm);
	broker_peer_close(&warm);
	before = open_descriptors();
	for (int i = 0; i < 40; i++) {
		struct broker_peer readers[3];
		struct side_source source;

		side_subscribe(&readers[0], "a.>");
		side_publish(&source, "a.b", 100u + (uint32_t)i);
		side_subscribe(&readers[1], "a.b");
		side_subscribe(&readers[2], ">");
		/* In another order each time. */
		for (int k = 0; k < 3; k++)
			broker_peer_close(&readers[(i + k) % 3]);
		side_leave(&source);
	}
	ck_assert_ptr_null(broker_server->clients);
	for (int kind = 0; kind < ACCOUNT_KIND_COUNT; kind++)
		ck_assert(kind == ACCOUNT_BYTES ||
			  account_held(broker_server->accounts, getuid(),
				  (enum account_kind)kind) == 0);
	/* Publishers that drain for a second still have their memory. */
	while (broker_server->publishers)
		publisher_close(broker_server->publishers);
	ck_assert_ptr_null(broker_server->streams);
	ck_assert_uint_eq(account_held(broker_server->accounts, getuid(),
				  ACCOUNT_BYTES),
		0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_reader_that_came_and_went_was_never_there)
{
	struct side_source source;

	side_publish(&source, "a.b", 7);
	/* The publisher listens to nothing meanwhile. */
	for (int i = 0; i < 1000; i++) {
		struct broker_peer reader;

		side_subscribe(&reader, "a.b");
		broker_peer_close(&reader);
	}
	ck_assert(!source.peer.socket ||
		  broker_server->client_count == 1);
	/* It still is served: whoever comes is told, once it listens. */
	for (int i = 0; i < 200 && broker_peer_hear(&source.peer); i++)
		broker_step();
	ck_assert_uint_eq(broker_server->client_count, 1);
	side_leave(&source);
}
END_TEST

static void refused(struct broker_peer *peer, uint32_t code, const char *why)
{
	ck_assert_int_eq(peer->got.kind, MSG_CONTROL_REFUSED);
	ck_assert_uint_eq(peer->got.refused.code, code);
	ck_assert_msg(strstr(peer->got.refused.text, why) != NULL, "'%s'",
		peer->got.refused.text);
	/* And that is the end of it. */
	ck_assert(!broker_peer_hear(peer));
	broker_peer_close(peer);
	ck_assert_uint_eq(broker_server->client_count, 0);
}

START_TEST(what_is_out_of_order_is_refused_with_a_reason)
{
	struct msg_control m = {.kind = MSG_CONTROL_SUBSCRIBE};
	struct broker_peer peer;
	struct side_source source;

	broker_peer_open(&peer);
	strcpy(m.subscribe.pattern, "a");
	m.subscribe.policy = MSG_CONTROL_LAP;
	m.subscribe.hold_max = 1;
	m.subscribe.message_bytes_max = 1;
	broker_peer_say(&peer, &m);
	ck_assert(broker_peer_hear(&peer));
	refused(&peer, MSG_ERROR_ARGUMENT, "begins with Hello");

	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_PUBLISHER);
	broker_peer_say(&peer, &m);
	ck_assert(broker_peer_hear(&peer));
	refused(&peer, MSG_ERROR_ARGUMENT, "subscribes once");

	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_SUBSCRIBER);
	strcpy(m.subscribe.pattern, "a..b");
	broker_peer_say(&peer, &m);
	ck_assert(broker_peer_hear(&peer));
	refused(&peer, MSG_ERROR_ARGUMENT, "a..b");

	side_ask_to_publish(&source, "a.*", 7, 0);
	refused(&source.peer, MSG_ERROR_ARGUMENT, "a.*");
	side_ask_to_publish(&source, "a", 0, 0);
	refused(&source.peer, MSG_ERROR_ARGUMENT, "incarnation");
}
END_TEST

START_TEST(a_quota_is_a_refusal_that_names_its_key)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};
	struct broker_peer peer;

	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_PUBLISHER);
	strcpy(m.publish.topic, "big");
	m.publish.incarnation = 99;
	m.publish.message_bytes_max = 16u << 20;
	m.publish.loan_count_max = 65536;
	m.publish.period_ms = 1000;
	broker_peer_say(&peer, &m);
	ck_assert(broker_peer_hear(&peer));
	refused(&peer, MSG_ERROR_BUSY, "bytes");
	ck_assert_uint_eq(account_held(broker_server->accounts, getuid(),
				  ACCOUNT_BYTES),
		0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("broker server");
	TCase *attach = check_case(suite, "attach", 60);
	TCase *refuse = check_case(suite, "refuse", 30);

	tcase_add_checked_fixture(attach, side_open, side_close);
	tcase_add_checked_fixture(refuse, side_open, side_close);
	tcase_add_test(attach, a_publisher_is_read_without_the_broker);
	tcase_add_test(attach, who_waits_reads_from_the_first_message_on);
	tcase_add_test(
		attach, a_reliable_topic_retains_its_history_without_a_network);
	tcase_add_test(
		attach, nobody_begins_before_its_publisher_can_hear_of_it);
	tcase_add_test(attach,
		who_comes_late_begins_with_what_its_publisher_says_is_kept);
	tcase_add_test(attach, a_place_is_as_if_nobody_had_been_there);
	tcase_add_test(attach, patterns_get_what_matches_now_and_later);
	tcase_add_test(attach, who_goes_leaves_nothing);
	tcase_add_test(attach, a_reader_that_came_and_went_was_never_there);
	tcase_add_test(refuse, what_is_out_of_order_is_refused_with_a_reason);
	tcase_add_test(refuse, a_quota_is_a_refusal_that_names_its_key);
	add_directory_tests(suite);
	return check_main(suite, NULL);
}
