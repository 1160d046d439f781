/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_server.c - the broker in this process, with clients that speak frames:
 * who gets which ring, what goes from a publisher to its readers, what is left
 * when somebody goes.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/client.h"
#include "broker/server_internal.h"

#include "broker_peer.h"
#include "check_main.h"

static void setup(void)
{
	config_init(&broker_config);
	ck_assert_int_eq(config_set(&broker_config, CONFIG_LANE, "none",
				 CONFIG_FROM_OPTION, "--lane"),
		0);
	ck_assert_int_eq(config_set(&broker_config, CONFIG_NAME, "test",
				 CONFIG_FROM_OPTION, "--name"),
		0);
	ck_assert_int_eq(config_set(&broker_config, CONFIG_SOCKET, "/test.sock",
				 CONFIG_FROM_OPTION, "--socket"),
		0);
	ck_assert_int_eq(config_finish(&broker_config), 0);
	broker_open();
}

static void teardown(void)
{
	broker_close();
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void subscribe_late(
	struct broker_peer *peer, const char *pattern, uint32_t history)
{
	struct msg_control m = {.kind = MSG_CONTROL_SUBSCRIBE};

	broker_peer_open(peer);
	broker_peer_hello(peer, MSG_CONTROL_SUBSCRIBER);
	snprintf(m.subscribe.pattern, sizeof m.subscribe.pattern, "%s",
		pattern);
	m.subscribe.policy = MSG_CONTROL_LAP;
	m.subscribe.hold_max = 64;
	m.subscribe.message_bytes_max = 1u << 20;
	m.subscribe.history_count = history;
	broker_peer_say(peer, &m);
	ck_assert(broker_peer_hear(peer));
	ck_assert_int_eq(peer->got.kind, MSG_CONTROL_SUBSCRIBED);
}

static void subscribe(struct broker_peer *peer, const char *pattern)
{
	subscribe_late(peer, pattern, 0);
}

#define READERS 64u

struct source {
	struct broker_peer peer;
	struct msg_shm_segment ring, pool, ledgers[READERS];
	struct msg_ring_writer writer;
	uint32_t freed;
	bool started;
};

static void freed(void *context, uint32_t token)
{
	struct source *s = context;

	(void)token;
	s->freed++;
}

/* Of a topic that is reliable it keeps so much, if that is not 0, and has large
 * messages. */
static void ask_to_publish(struct source *s, const char *topic, uint32_t id,
	uint64_t history_bytes)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};

	memset(s, 0, sizeof *s);
	s->ring = s->pool = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	for (uint32_t i = 0; i < READERS; i++)
		s->ledgers[i] = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	broker_peer_open(&s->peer);
	broker_peer_hello(&s->peer, MSG_CONTROL_PUBLISHER);
	snprintf(m.publish.topic, sizeof m.publish.topic, "%s", topic);
	m.publish.incarnation = 0x1234567800000000ull | id;
	m.publish.message_bytes_max = 1000;
	m.publish.loan_count_max = 16;
	m.publish.period_ms = 1000;
	if (history_bytes > 0) {
		m.publish.reliability = MSG_RELIABILITY_RELIABLE;
		m.publish.history_bytes = history_bytes;
		m.publish.large_bytes_max = 1u << 20;
		m.publish.large_memory_bytes = 4u << 20;
	}
	broker_peer_say(&s->peer, &m);
	ck_assert(broker_peer_hear(&s->peer));
}

static void publish_keeping(struct source *s, const char *topic, uint32_t id,
	uint64_t history_bytes)
{
	struct msg_ring_writer_options options = {.free = freed, .context = s};
	struct msg_control mapped = {.kind = MSG_CONTROL_MAPPED};
	struct msg_control_publishing *shape = &s->peer.got.publishing;

	ask_to_publish(s, topic, id, history_bytes);
	ck_assert_int_eq(s->peer.got.kind, MSG_CONTROL_PUBLISHING);
	ck_assert_int_eq(msg_shm_segment_map_writable(&s->ring, s->peer.fds[0],
				 msg_ring_bytes(shape->entry_count)),
		0);
	ck_assert_int_eq(msg_shm_segment_map_writable(&s->pool, s->peer.fds[1],
				 (size_t)shape->slot_count *
					 shape->slot_bytes),
		0);
	options.header = (struct msg_ring_header *)s->ring.base;
	options.entry_count = shape->entry_count;
	options.pin_max = 64;
	ck_assert_int_eq(msg_ring_writer_open(&s->writer, &options), 0);
	broker_peer_say(&s->peer, &mapped);
}

static void publish(struct source *s, const char *topic, uint32_t id)
{
	publish_keeping(s, topic, id, 0);
}

static void leave(struct source *s)
{
	broker_peer_close(&s->peer);
	msg_ring_writer_close(&s->writer);
	msg_shm_segment_close(&s->ring);
	msg_shm_segment_close(&s->pool);
	for (uint32_t i = 0; i < READERS; i++)
		msg_shm_segment_close(&s->ledgers[i]);
}

/* What the broker tells a publisher of its readers. */
static unsigned hear_readers(struct source *s)
{
	unsigned count = 0;

	while (broker_peer_hear(&s->peer)) {
		struct msg_control_reader *r = &s->peer.got.reader;

		if (s->peer.got.kind == MSG_CONTROL_STARTED) {
			s->started = true;
			continue;
		}
		if (s->peer.got.kind == MSG_CONTROL_READER_GONE) {
			msg_ring_writer_remove(&s->writer,
				s->peer.got.reader_gone.reader);
			continue;
		}
		ck_assert_int_eq(s->peer.got.kind, MSG_CONTROL_READER);
		ck_assert_int_eq(msg_shm_segment_map_readonly(
					 &s->ledgers[r->reader],
					 s->peer.fds[0],
					 msg_ring_ledger_bytes(r->hold_max)),
			0);
		msg_ring_writer_add(&s->writer, r->reader,
			(struct msg_ring_ledger *)s->ledgers[r->reader].base,
			r->hold_max, MSG_RING_LAP);
		count++;
	}
	return count;
}

static void put(struct source *s, uint64_t sequence)
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
	struct source source;

	publish(&source, "a.b", 7);
	subscribe(&reader, "a.b");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_str_eq(reader.got.ring.topic, "a.b");
	ck_assert_uint_eq(reader.got.ring.publisher, 7);
	ck_assert_int_eq(reader.got.ring.origin, MSG_CONTROL_LOCAL);
	read_ring(&reader, maps);
	ck_assert_uint_eq(hear_readers(&source), 1);
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
	leave(&source);
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
	struct source source;

	subscribe(&reader, "a.b");
	publish(&source, "a.b", 7);
	ck_assert_uint_eq(hear_readers(&source), 1);
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
	leave(&source);
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
	struct source source;

	publish_keeping(&source, "a.b", 7, 16u << 20);
	header = (struct msg_ring_header *)source.ring.base;
	ck_assert_uint_gt(source.peer.got.publishing.retain, 10);
	ck_assert_uint_gt(source.peer.got.publishing.large_bytes, 0);
	for (uint64_t i = 0; i < 10; i++)
		put(&source, i);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct broker_peer reader;

		atomic_store(&header->kept, cases[i].kept);
		subscribe_late(&reader, "a.b", UINT32_MAX);
		ck_assert(broker_peer_hear(&reader));
		ck_assert_int_eq(reader.got.kind, MSG_CONTROL_RING);
		ck_assert_uint_eq(reader.got.ring.start, cases[i].start);
		ck_assert_uint_eq(
			reader.got.ring.history, 10 - cases[i].start);
		hear_readers(&source);
		broker_peer_close(&reader);
		hear_readers(&source);
	}
	leave(&source);
}
END_TEST

/* Word of a reader that is in the broker's hands yet is none: its publisher would
 * look, find nothing, and use again what the reader reads. */
START_TEST(nobody_begins_before_its_publisher_can_hear_of_it)
{
	static const int little = 1;
	const struct msg_session *page;
	struct broker_peer readers[READERS];
	const struct client *owner;
	struct source source;
	unsigned last = 0;
	uint32_t news;

	publish(&source, "a.b", 7);
	put(&source, 0);
	owner = broker_server->publishers->client;
	page = (const struct msg_session *)owner->page.base;
	ck_assert_int_eq(setsockopt(msg_socket_fd(owner->socket), SOL_SOCKET,
				 SO_SNDBUF, &little, sizeof little),
		0);
	for (;; last++) {
		ck_assert_uint_lt(last, READERS);
		subscribe(&readers[last], "a.b");
		if (!client_has_room(owner))
			break;
		ck_assert(broker_peer_hear(&readers[last]));
		ck_assert_int_eq(readers[last].got.kind, MSG_CONTROL_RING);
		ck_assert_uint_eq(readers[last].got.ring.start, 1);
	}
	ck_assert(!broker_peer_hear(&readers[last]));
	put(&source, 1);
	news = msg_session_news(page);
	ck_assert_uint_gt(hear_readers(&source), 0);
	broker_step();
	/* What was said late is news once more. */
	ck_assert_uint_ne(msg_session_news(page), news);
	ck_assert_uint_eq(hear_readers(&source), 1);
	ck_assert(broker_peer_hear(&readers[last]));
	ck_assert_int_eq(readers[last].got.kind, MSG_CONTROL_RING);
	ck_assert_uint_eq(readers[last].got.ring.start, 2);
	for (unsigned i = 0; i <= last; i++) {
		broker_peer_close(&readers[i]);
		hear_readers(&source);
	}
	leave(&source);
}
END_TEST

/* A place where the last reader was evicted is not given to the next one before
 * the publisher has heard of both; and one that says so of all of them keeps
 * nobody out. */
START_TEST(a_place_is_as_if_nobody_had_been_there)
{
	struct source source;
	struct broker_peer reader;
	struct msg_ring_header *header;

	publish(&source, "a.b", 7);
	header = (struct msg_ring_header *)source.ring.base;
	atomic_store(&header->floor[0], MSG_RING_EVICTED);
	subscribe(&reader, "a.b");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_int_eq(reader.got.kind, MSG_CONTROL_RING);
	ck_assert_uint_eq(reader.got.ring.reader, 1);
	broker_peer_close(&reader);
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++)
		atomic_store(&header->floor[i], 5);
	subscribe(&reader, "a.*");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_int_eq(reader.got.kind, MSG_CONTROL_RING);
	broker_peer_close(&reader);
	leave(&source);
}
END_TEST

START_TEST(patterns_get_what_matches_now_and_later)
{
	struct source one, two, other;
	struct broker_peer reader;

	publish(&one, "x.one", 7);
	subscribe(&reader, "x.*");
	ck_assert(broker_peer_hear(&reader));
	ck_assert_str_eq(reader.got.ring.topic, "x.one");
	publish(&other, "y.one", 8);
	ck_assert(!broker_peer_hear(&reader));
	publish(&two, "x.two", 9);
	ck_assert(broker_peer_hear(&reader));
	ck_assert_str_eq(reader.got.ring.topic, "x.two");
	ck_assert_uint_eq(hear_readers(&other), 0);
	ck_assert_uint_eq(hear_readers(&two), 1);
	broker_peer_close(&reader);
	ck_assert_uint_eq(hear_readers(&one), 1);
	leave(&one);
	leave(&two);
	leave(&other);
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
		struct source source;

		subscribe(&readers[0], "a.>");
		publish(&source, "a.b", 100u + (uint32_t)i);
		subscribe(&readers[1], "a.b");
		subscribe(&readers[2], ">");
		/* In another order each time. */
		for (int k = 0; k < 3; k++)
			broker_peer_close(&readers[(i + k) % 3]);
		leave(&source);
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
	struct source source;

	publish(&source, "a.b", 7);
	/* The publisher listens to nothing meanwhile. */
	for (int i = 0; i < 1000; i++) {
		struct broker_peer reader;

		subscribe(&reader, "a.b");
		broker_peer_close(&reader);
	}
	ck_assert(!source.peer.socket ||
		  broker_server->client_count == 1);
	/* It still is served: whoever comes is told, once it listens. */
	for (int i = 0; i < 200 && broker_peer_hear(&source.peer); i++)
		broker_step();
	ck_assert_uint_eq(broker_server->client_count, 1);
	leave(&source);
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
	struct source source;

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

	ask_to_publish(&source, "a.*", 7, 0);
	refused(&source.peer, MSG_ERROR_ARGUMENT, "a.*");
	ask_to_publish(&source, "a", 0, 0);
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

/* ---- a directory that fits no socket ---------------------------------- */

#define HEARD MSG_ROSTER_MAX
#define LOCAL 40u
#define TOPICS (2 * HEARD)

static unsigned told[TOPICS];
static struct source locals[LOCAL];

static void announce(uint32_t id, bool closing)
{
	struct msg_announcement said = {
		.incarnation = id,
		.publisher = id,
		.message_bytes_max = 1,
		.frame_bytes = 1000,
		.period_ms = 60000,
		.closing = closing,
	};

	/* Long ones: a message of the answer is nearly full. */
	snprintf(said.topic, sizeof said.topic, "heard.%0200u", id);
	msg_roster_note(&broker_server->network.roster, &said, msg_clock_ns());
}

static void ask_for_all(struct broker_peer *peer)
{
	struct msg_control m = {.kind = MSG_CONTROL_WATCH};

	strcpy(m.watch.pattern, ">");
	broker_peer_say(peer, &m);
}

/* Hear some messages of an answer; true: its last. */
static bool hear_listing(struct broker_peer *peer, unsigned count)
{
	for (; count > 0; count--) {
		const struct msg_control_listing *l = &peer->got.listing;

		for (int i = 0; i < 100 && !broker_peer_hear(peer); i++)
			broker_step();
		ck_assert_int_eq(peer->got.kind, MSG_CONTROL_LISTING);
		for (uint32_t i = 0; i < l->topic_count; i++)
			told[l->topics[i].publisher]++;
		if (!l->more)
			return true;
	}
	return false;
}

START_TEST(a_directory_larger_than_a_socket_is_told_whole)
{
	struct broker_peer peer;
	uint32_t gone = 0, came = HEARD;

	ck_assert_int_eq(msg_roster_open(&broker_server->network.roster), 0);
	for (uint32_t id = LOCAL; id < HEARD; id++)
		announce(id, false);
	for (uint32_t id = 1; id < LOCAL; id++)
		publish(&locals[id], "local", id);
	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_ONLOOKER);
	/* Asked twice at once: two whole answers, one behind the other. */
	ask_for_all(&peer);
	ask_for_all(&peer);
	for (int i = 0; i < 2; i++) {
		memset(told, 0, sizeof told);
		ck_assert(hear_listing(&peer, HEARD / 32 + 2));
		for (uint32_t id = 1; id < HEARD; id++)
			ck_assert_uint_eq(told[id], 1);
	}
	/* And with publishers that come and go at each message of it. */
	memset(told, 0, sizeof told);
	ask_for_all(&peer);
	while (!hear_listing(&peer, 1)) {
		uint32_t first = LOCAL + gone++;

		announce(first, true);
		announce(HEARD - gone, true);
		announce(came++, false);
		announce(came++, false);
		if (gone % 4 == 0 && gone / 4 < LOCAL)
			leave(&locals[gone / 4]);
		ck_assert_uint_lt(gone, 1000);
	}
	ck_assert_uint_gt(gone, 100);
	for (uint32_t id = 1; id < TOPICS; id++)
		ck_assert_uint_le(told[id], 1);
	for (uint32_t id = LOCAL + gone; id < HEARD - gone; id++)
		ck_assert_uint_eq(told[id], 1);
	for (uint32_t id = gone / 4 + 1; id < LOCAL; id++) {
		ck_assert_uint_eq(told[id], 1);
		leave(&locals[id]);
	}
	/* Whoever never reads on costs nothing but his socket. */
	ask_for_all(&peer);
	broker_step();
	ck_assert_uint_eq(broker_server->client_count, 1);
	ck_assert(broker_server->clients->listing.active);
	broker_peer_close(&peer);
	ck_assert_uint_eq(broker_server->client_count, 0);
	msg_roster_close(&broker_server->network.roster);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("broker server");
	TCase *attach = check_case(suite, "attach", 60);
	TCase *refuse = check_case(suite, "refuse", 30);
	TCase *list = check_case(suite, "list", 60);

	tcase_add_checked_fixture(attach, setup, teardown);
	tcase_add_checked_fixture(refuse, setup, teardown);
	tcase_add_checked_fixture(list, setup, teardown);
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
	tcase_add_test(list, a_directory_larger_than_a_socket_is_told_whole);
	return check_main(suite, NULL);
}
