/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_keep.c - a reliable publisher of this host, the broker's relay, a wire
 * that loses by seed, and a receiver.
 *
 * The broker lives in this process, over a wire in memory; its client writes its
 * ring by hand.  Message i has bytes that follow from i, and a length that says
 * whether it stands in its entry, in a slot, or in several frames.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/client.h"
#include "broker/server_internal.h"

#include "broker_peer.h"
#include "check_main.h"
#include "engine/direct.h"
#include "memory_link.h"
#include "topic/name.h"

#define TOPIC "kept"
#define ID 7u
#define LOANS 16u
#define BYTES_MAX 3000u
#define SLOTS_MAX 4096u
#define LIMIT_NS (20 * MSG_NS_PER_S)

int __wrap_msg_link_module_load(const struct msg_link_domain_ops **ops);

/* In the place of the fabric module. */
int __wrap_msg_link_module_load(const struct msg_link_domain_ops **ops)
{
	*ops = &memory_link_module;
	return 0;
}

/* ---- the publisher ------------------------------------------------------- */

static struct {
	struct broker_peer peer;
	struct msg_shm_segment ring, pool, ledger;
	struct msg_ring_writer writer;
	uint32_t free[SLOTS_MAX];
	uint32_t free_count;
	uint32_t slot_bytes;
	uint64_t sequence; /* Of the next message. */
} source;

static void freed(void *context, uint32_t token)
{
	(void)context;
	source.free[source.free_count++] = token;
}

static void map_memory(const struct msg_control_publishing *shape)
{
	struct msg_ring_writer_options options = {.free = freed};

	ck_assert_uint_le(shape->slot_count, SLOTS_MAX);
	source.slot_bytes = shape->slot_bytes;
	for (uint32_t i = 0; i < shape->slot_count; i++)
		source.free[source.free_count++] = i;
	ck_assert_int_eq(
		msg_shm_segment_map_writable(&source.ring, source.peer.fds[0],
			msg_ring_bytes(shape->entry_count)),
		0);
	ck_assert_int_eq(
		msg_shm_segment_map_writable(&source.pool, source.peer.fds[1],
			(size_t)shape->slot_count * shape->slot_bytes),
		0);
	options.header = (struct msg_ring_header *)source.ring.base;
	options.entry_count = shape->entry_count;
	options.pin_max = shape->slot_count;
	ck_assert_int_eq(msg_ring_writer_open(&source.writer, &options), 0);
}

/* The relay is its one reader. */
static void hear_reader(void)
{
	const struct msg_control_reader *r = &source.peer.got.reader;

	ck_assert(broker_peer_hear(&source.peer));
	ck_assert_int_eq(source.peer.got.kind, MSG_CONTROL_READER);
	ck_assert_int_eq(r->policy, MSG_CONTROL_BLOCK);
	ck_assert_int_eq(
		msg_shm_segment_map_readonly(&source.ledger,
			source.peer.fds[0], msg_ring_ledger_bytes(r->hold_max)),
		0);
	msg_ring_writer_add(&source.writer, r->reader,
		(struct msg_ring_ledger *)source.ledger.base, r->hold_max,
		MSG_RING_BLOCK);
	ck_assert(broker_peer_hear(&source.peer));
	ck_assert_int_eq(source.peer.got.kind, MSG_CONTROL_STARTED);
}

static struct msg_control wish(void)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};

	snprintf(m.publish.topic, sizeof m.publish.topic, TOPIC);
	m.publish.incarnation = 0x1234567800000000ull | ID;
	m.publish.message_bytes_max = BYTES_MAX;
	m.publish.loan_count_max = LOANS;
	m.publish.period_ms = 1000;
	m.publish.reliability = MSG_RELIABILITY_RELIABLE;
	m.publish.history_bytes = 16u << 20;
	m.publish.give_up_ms = 1000;
	m.publish.linger_ms = 1000;
	return m;
}

static void publish_as(const struct msg_control *m)
{
	struct msg_control mapped = {.kind = MSG_CONTROL_MAPPED};

	memset(&source, 0, sizeof source);
	source.ring = source.pool = source.ledger =
		(struct msg_shm_segment)MSG_SHM_SEGMENT;
	source.sequence = m->publish.next_sequence;
	broker_peer_open(&source.peer);
	broker_peer_hello(&source.peer, MSG_CONTROL_PUBLISHER);
	ck_assert(source.peer.got.welcome.reliable);
	broker_peer_say(&source.peer, m);
	ck_assert(broker_peer_hear(&source.peer));
	ck_assert_int_eq(source.peer.got.kind, MSG_CONTROL_PUBLISHING);
	map_memory(&source.peer.got.publishing);
	broker_peer_say(&source.peer, &mapped);
	hear_reader();
}

static void leave(void)
{
	broker_peer_close(&source.peer);
	msg_ring_writer_close(&source.writer);
	msg_shm_segment_close(&source.ring);
	msg_shm_segment_close(&source.pool);
	msg_shm_segment_close(&source.ledger);
}

static uint32_t length_of(uint64_t sequence)
{
	static const uint32_t lengths[] = {8, 100, 32, 900, 33, 0, 3000, 1000};

	return lengths[sequence % 8];
}

static void fill(uint8_t *data, uint64_t sequence)
{
	struct random_stream random = {sequence};

	for (uint32_t i = 0; i < length_of(sequence); i++)
		data[i] = (uint8_t)random_next(&random);
}

/* One message more; false: there is no room. */
static bool put(void)
{
	uint32_t bytes = length_of(source.sequence);
	uint32_t token = MSG_RING_NO_TOKEN;
	struct msg_ring_item item = {
		.sequence = source.sequence,
		.publisher = ID,
		.kind = MSG_RING_INLINE,
		.bytes = bytes,
	};

	if (!msg_ring_room(&source.writer, 1))
		return false;
	if (bytes > MSG_RING_INLINE_BYTES) {
		if (source.free_count == 0)
			msg_ring_reclaim(&source.writer, 0);
		if (source.free_count == 0)
			return false;
		token = source.free[--source.free_count];
		item.kind = MSG_RING_SINGLE;
		item.place = token * source.slot_bytes / MSG_RING_PLACE_UNIT;
		fill(source.pool.base + (size_t)token * source.slot_bytes,
			source.sequence);
	} else {
		fill((uint8_t *)item.data, source.sequence);
	}
	msg_ring_put(&source.writer, 0, &item, token);
	msg_ring_advance(&source.writer, 1);
	source.sequence++;
	return true;
}

/* ---- the receiver -------------------------------------------------------- */

static struct {
	struct msg_link_domain *domain;
	struct msg_direct direct;
	struct msg_link *link, *side;
	uint64_t next, lost;
	uint64_t taken;
} sink;

static void open_sink(void)
{
	struct msg_receive_options options = {
		.frame_bytes = 1024,
		.buffer_count = 512,
		.message_bytes_max = BYTES_MAX,
		.publisher_count_max = 4,
		.topic_count_max = 1,
		.reorder_ns = 1000000,
		.reliable = true,
		.ask_ns = 100000,
		.give_up_ns = MSG_NS_PER_S,
		.name = 0x5eed,
	};
	struct msg_link_options side;
	struct msg_receiver *r = &sink.direct.receiver;
	char text[MSG_LINK_TEXT_BYTES];

	memset(&sink, 0, sizeof sink);
	sink.domain = memory_domain_open(1024);
	ck_assert_int_eq(msg_direct_open(&sink.direct, &options), 0);
	ck_assert(msg_receiver_accept(r, msg_name_tag(TOPIC), 5));
	sink.link = memory_link_open(sink.domain, r->pool.region.base,
		r->pool.region.bytes, options.buffer_count, 0);
	ck_assert_int_eq(msg_receiver_start(r, sink.link), 0);
	ck_assert_int_eq(msg_receiver_side_options(r, &side), 0);
	ck_assert_int_eq(sink.domain->ops->link_open(
				 sink.domain, &side, &sink.side, text),
		0);
	ck_assert_int_eq(msg_receiver_start_side(r, sink.side), 0);
	ck_assert_int_eq(
		msg_groups_join(&broker_server->network.groups, sink.link,
			msg_name_group(TOPIC,
				broker_server->network.groups.count),
			MSG_LINK_JOIN_RECEIVE, TOPIC, &(uint32_t){0}),
		0);
}

static void close_sink(void)
{
	msg_receiver_leave(&sink.direct.receiver);
	sink.side->ops->close(sink.side);
	sink.link->ops->close(sink.link);
	msg_direct_close(&sink.direct);
	sink.domain->ops->close(sink.domain);
}

static void check_view(const struct msg_view *view)
{
	static uint8_t wanted[BYTES_MAX], got[BYTES_MAX];

	ck_assert_uint_eq(view->publisher, ID);
	ck_assert_uint_eq(view->sequence, sink.next + view->lost_before);
	ck_assert_uint_eq(view->bytes, length_of(view->sequence));
	fill(wanted, view->sequence);
	ck_assert_int_eq(msg_inbox_copy(&sink.direct.inbox, view, got,
				 sizeof got),
		0);
	ck_assert_mem_eq(wanted, got, view->bytes);
	sink.lost += view->lost_before;
	sink.next = view->sequence + 1;
	sink.taken++;
}

static void take(void)
{
	struct msg_view views[64];
	int n = msg_direct_take(&sink.direct, views, 64);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		check_view(&views[i]);
	msg_inbox_release(&sink.direct.inbox, views, n);
}

/* ---- both ---------------------------------------------------------------- */

static struct publisher *relay(void)
{
	return broker_server->publishers;
}

/* The bounds that keep.h names. */
static void check_bounds(void)
{
	const struct keep *k = relay()->keep;
	const struct msg_ring_reader *r = &relay()->reader;

	ck_assert_uint_le(k->slots, k->limits.slots + 1);
	ck_assert_uint_le(r->next - r->low, relay()->shape.keep_max);
	ck_assert_uint_le(k->next - k->first, k->limits.frames);
	ck_assert_uint_eq(k->next, k->repairer.repair.next);
	ck_assert_uint_eq(k->first, k->repairer.repair.first);
}

/* Publish up to message `count` and take until all is here. */
static void flow(uint64_t count)
{
	uint64_t limit = msg_clock_ns() + LIMIT_NS;

	while (sink.next < count) {
		for (int i = 0; i < 8 && source.sequence < count && put(); i++)
			;
		server_turn(broker_server);
		take();
		check_bounds();
		ck_assert_msg(msg_clock_ns() < limit,
			"of %llu messages %llu were published, and %llu came",
			(unsigned long long)count,
			(unsigned long long)source.sequence,
			(unsigned long long)sink.next);
	}
}

static void setup(void)
{
	struct memory_wire_options wire = {.seed = check_seed()};

	memory_wire_reset(&wire);
	config_init(&broker_config);
	ck_assert_int_eq(config_set(&broker_config, CONFIG_LANE, "udp",
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
	open_sink();
}

static void teardown(void)
{
	close_sink();
	broker_close();
}

START_TEST(what_the_wire_loses_is_sent_again_from_the_publishers_memory)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(1);
	memory_wire_options.lose = _i == 0 ? 0 : 100;
	memory_wire_options.reorder = _i == 2 ? 50 : 0;
	flow(6000);
	ck_assert_uint_eq(sink.lost, 0);
	ck_assert_uint_eq(sink.taken, 6000);
	ck_assert(_i == 0 || relay()->keep->repairer.repair.counts.unicasts > 0);
	leave();
}
END_TEST

START_TEST(what_is_kept_is_bounded_by_what_was_asked_for)
{
	struct msg_control m = wish();
	const struct keep *k;

	m.publish.history_bytes = 64u << 10;
	publish_as(&m);
	k = relay()->keep;
	flow(3000);
	ck_assert_uint_eq(k->limits.slots, (64u << 10) / source.slot_bytes);
	/* As full as it may be, and the publisher has its loans all the same. */
	ck_assert_uint_ge(k->slots, k->limits.slots - k->limits.slots / 16 - 1);
	msg_ring_reclaim(&source.writer, 0);
	ck_assert_uint_ge(source.free_count, LOANS);
	leave();
}
END_TEST

START_TEST(nothing_leaves_before_there_are_receivers_to_wait_for)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;
	uint64_t before;

	m.publish.flow = MSG_FLOW_K_OF_N;
	m.publish.flow_count = 2;
	publish_as(&m);
	for (before = 0; put(); before++)
		server_turn(broker_server);
	/* The ring, or its slots, are full; nobody was sent anything. */
	ck_assert_uint_gt(before, LOANS);
	for (int i = 0; i < 100; i++) {
		server_turn(broker_server);
		take();
	}
	ck_assert_uint_eq(relay()->frames, 0);
	ck_assert(!put());
	/* And nobody turns without end for it. */
	publisher_sleep(relay());
	while (publisher_ready(relay())) {
		ck_assert_uint_lt(msg_clock_ns(), limit);
		server_turn(broker_server);
	}
	publisher_awake(relay());
	leave();
}
END_TEST

START_TEST(receivers_that_have_room_let_it_go_on)
{
	struct msg_control m = wish();

	m.publish.flow = MSG_FLOW_MIN;
	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 50;
	flow(6000);
	ck_assert_uint_eq(sink.lost, 0);
	leave();
}
END_TEST

/* What the broker before was to send takes numbers, and is counted. */
START_TEST(what_was_never_sent_is_told_to_the_message)
{
	struct msg_control m = wish();

	publish_as(&m);
	flow(100);
	source.sequence += 5000;
	flow(5200);
	ck_assert_uint_eq(sink.lost, 5000);
	ck_assert_uint_eq(sink.taken, 200);
	leave();
}
END_TEST

START_TEST(a_stream_goes_on_where_another_broker_left_it)
{
	struct msg_control m = wish();
	uint64_t frames;

	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 50;
	flow(1000);
	frames = relay()->keep->next;
	leave();
	/* As the next broker is told: its own numbers, and what it never had. */
	while (relay())
		publisher_close(relay());
	m.publish.next_sequence = source.sequence + 10;
	m.publish.next_frame = frames + 100;
	m.publish.session = 1;
	publish_as(&m);
	flow(3000);
	ck_assert_uint_eq(sink.lost, 10);
	ck_assert_uint_eq(sink.taken, 2990);
	leave();
}
END_TEST

/* Somebody who reported and then says nothing is waited for, as long as was
 * wished or he is remembered, and nobody turns without end for it. */
START_TEST(who_is_gone_and_waits_sleeps)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;
	uint64_t now;

	m.publish.linger_ms = 60000;
	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 500;
	flow(50);
	for (int i = 0; i < 50; i++)
		ck_assert(put());
	while (msg_ring_ready(&relay()->reader))
		server_turn(broker_server);
	leave();
	/* As if it had been so for long. */
	relay()->free_ns = msg_clock_coarse_ns();
	while (relay() && msg_clock_ns() < limit) {
		server_turn(broker_server);
		now = msg_clock_coarse_ns();
		if (publisher_is_over(relay(), now))
			break;
		ck_assert(!relay()->client);
		ck_assert_uint_gt(relay()->free_ns, now);
	}
	ck_assert_uint_lt(msg_clock_ns(), limit);
}
END_TEST

/* One that was thrown out, and is back before the broker has forgotten it. */
START_TEST(who_comes_back_at_once_takes_the_place_of_what_it_was)
{
	struct msg_control m = wish();
	uint64_t frames;

	publish_as(&m);
	flow(500);
	while (source.sequence < 520)
		ck_assert(put());
	frames = relay()->keep->next + 20 * 3;
	leave();
	ck_assert_ptr_nonnull(relay());
	m.publish.next_sequence = source.sequence;
	m.publish.next_frame = frames;
	m.publish.session = 1;
	publish_as(&m);
	ck_assert_ptr_null(relay()->next);
	memory_wire_options.lose = 100;
	flow(3000);
	ck_assert_uint_eq(sink.lost, 0);
	ck_assert_uint_eq(sink.taken, 3000);
	/* What comes back of it is still nobody's here. */
	ck_assert_uint_eq(broker_server->feeds[0]->receiver.ignored_count, 1);
	leave();
}
END_TEST

/* One that is gone, and what is missed of it can be had for a while. */
START_TEST(who_goes_is_repaired_until_all_have_all)
{
	struct msg_control m = wish();
	uint64_t limit = msg_clock_ns() + LIMIT_NS;

	publish_as(&m);
	flow(1);
	memory_wire_options.lose = 300;
	flow(100);
	/* More than the side link has buffers for, and nothing follows. */
	while (source.sequence < 500) {
		if (!put())
			break;
		server_turn(broker_server);
	}
	while (msg_ring_ready(&relay()->reader))
		server_turn(broker_server);
	leave();
	while (sink.next < source.sequence && msg_clock_ns() < limit) {
		broker_step();
		take();
	}
	ck_assert_uint_eq(sink.taken, source.sequence);
	ck_assert_uint_eq(sink.lost, 0);
	while (relay() && msg_clock_ns() < limit)
		broker_step();
	ck_assert_ptr_null(relay());
}
END_TEST

/* ---- hostile publishers -------------------------------------------------- */

static struct msg_ring_item any_item(struct random_stream *random)
{
	struct msg_ring_item item = {
		.sequence = random_chance(random, 500)
				    ? source.sequence
				    : random_next(random),
		.publisher = random_chance(random, 900) ? ID : 3,
		.kind = 1 + (uint32_t)random_below(random, 7),
		.bytes = (uint32_t)random_next(random) & MSG_RING_BYTES_MAX,
		.place = (uint32_t)random_next(random),
	};

	if (random_chance(random, 500))
		item.bytes %= 4096;
	if (random_chance(random, 700))
		item.place %= (uint32_t)(source.pool.bytes /
					 MSG_RING_PLACE_UNIT) +
			      1;
	return item;
}

START_TEST(a_ring_full_of_nonsense_costs_its_owner_alone)
{
	struct random_stream random = {check_seed() + (uint64_t)_i};
	struct msg_control m = wish();

	m.publish.next_frame = random_chance(&random, 500) ? 1ull << 48 : 0;
	m.publish.session = (uint32_t)random_next(&random);
	publish_as(&m);
	for (int i = 0; i < 3000; i++) {
		struct msg_ring_item item = any_item(&random);

		if (msg_ring_room(&source.writer, 1)) {
			msg_ring_put(&source.writer, 0, &item,
				MSG_RING_NO_TOKEN);
			msg_ring_advance(&source.writer, 1);
			if (random_chance(&random, 300))
				source.sequence = item.sequence + 1;
		}
		server_turn(broker_server);
		check_bounds();
	}
	ck_assert_uint_gt(relay()->malformed, 0);
	leave();
}
END_TEST

START_TEST(wishes_that_make_no_sense_are_refused)
{
	struct msg_control m = wish();

	for (int i = 0; i < 3; i++) {
		m = wish();
		if (i == 0)
			m.publish.reliability = 0;
		else
			m.publish.flow_count = 1;
		if (i == 2)
			m.publish.flow = MSG_FLOW_MIN;
		broker_peer_open(&source.peer);
		broker_peer_hello(&source.peer, MSG_CONTROL_PUBLISHER);
		broker_peer_say(&source.peer, &m);
		ck_assert(broker_peer_hear(&source.peer));
		ck_assert_int_eq(source.peer.got.kind, MSG_CONTROL_REFUSED);
		broker_peer_close(&source.peer);
		ck_assert_ptr_null(relay());
	}
}
END_TEST

/* All that is made for a publisher is his user's, and comes back. */
START_TEST(what_is_kept_is_charged)
{
	struct msg_control m = wish();
	uint64_t all = account_left(
		broker_server->accounts, getuid(), ACCOUNT_BYTES);
	uint64_t small, large;

	publish_as(&m);
	large = all - account_left(broker_server->accounts, getuid(),
			      ACCOUNT_BYTES);
	leave();
	while (relay())
		publisher_close(relay());
	ck_assert_uint_eq(account_left(broker_server->accounts, getuid(),
				  ACCOUNT_BYTES),
		all);
	m.publish.reliability = 0;
	m.publish.history_bytes = 0;
	publish_as(&m);
	small = all - account_left(broker_server->accounts, getuid(),
			      ACCOUNT_BYTES);
	ck_assert_ptr_null(relay()->keep);
	ck_assert_uint_gt(large, small + (16u << 20));
	leave();
}
END_TEST

START_TEST(who_looks_is_told_that_it_is_reliable)
{
	struct msg_control watch = {.kind = MSG_CONTROL_WATCH};
	struct msg_control m = wish();
	struct broker_peer peer;

	m.publish.reliability = _i == 0 ? 0 : MSG_RELIABILITY_RELIABLE;
	m.publish.history_bytes = _i == 0 ? 0 : m.publish.history_bytes;
	publish_as(&m);
	broker_peer_open(&peer);
	broker_peer_hello(&peer, MSG_CONTROL_ONLOOKER);
	strcpy(watch.watch.pattern, ">");
	broker_peer_say(&peer, &watch);
	ck_assert(broker_peer_hear(&peer));
	ck_assert_int_eq(peer.got.kind, MSG_CONTROL_LISTING);
	ck_assert_uint_eq(peer.got.listing.topic_count, 1);
	ck_assert_uint_eq(peer.got.listing.topics[0].reliability,
		_i == 0 ? MSG_RELIABILITY_BEST_EFFORT
			: MSG_RELIABILITY_RELIABLE);
	broker_peer_close(&peer);
	leave();
}
END_TEST

START_TEST(limits_follow_from_what_is_asked_for)
{
	struct keep_limits l = keep_limits(16u << 20, 16u << 10, 256, 1);

	ck_assert_uint_eq(l.slots, 1024);
	ck_assert_uint_ge(l.entries, 2 * (1024 + 256));
	ck_assert_uint_ge(l.frames, l.entries);
	ck_assert_uint_eq(l.frames & (l.frames - 1), 0);
	/* A message in parts is kept whole. */
	l = keep_limits(1, 16u << 20, 2, 20000);
	ck_assert_uint_eq(l.slots, 2);
	ck_assert_uint_ge(l.frames, 40000);
	/* What it costs is charged, most of it the table. */
	ck_assert_uint_gt(keep_bytes(&l, 1024),
		l.frames * sizeof(struct keep_frame) + 256 * 1024);
	/* What a control message and a place in the pool can say. */
	l = keep_limits(4ull << 30, 512, 65536, 1);
	ck_assert_uint_le(l.slots + 65537, MSG_CONTROL_SLOTS_MAX);
	ck_assert_uint_le(l.entries + 257, MSG_CONTROL_HOLD_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keep");
	TCase *keep = check_case(suite, "keep", 60);
	TCase *end = check_case(suite, "end", 60);
	TCase *hostile = check_case(suite, "hostile", 60);

	tcase_add_checked_fixture(keep, setup, teardown);
	tcase_add_checked_fixture(end, setup, teardown);
	tcase_add_checked_fixture(hostile, setup, teardown);
	tcase_add_loop_test(keep,
		what_the_wire_loses_is_sent_again_from_the_publishers_memory, 0,
		3);
	tcase_add_test(keep, what_is_kept_is_bounded_by_what_was_asked_for);
	tcase_add_test(
		keep, nothing_leaves_before_there_are_receivers_to_wait_for);
	tcase_add_test(keep, receivers_that_have_room_let_it_go_on);
	tcase_add_test(keep, what_was_never_sent_is_told_to_the_message);
	tcase_add_test(keep, a_stream_goes_on_where_another_broker_left_it);
	tcase_add_test(end, who_goes_is_repaired_until_all_have_all);
	tcase_add_test(end, who_is_gone_and_waits_sleeps);
	tcase_add_test(
		end, who_comes_back_at_once_takes_the_place_of_what_it_was);
	tcase_add_loop_test(hostile,
		a_ring_full_of_nonsense_costs_its_owner_alone, 0, 8);
	tcase_add_test(hostile, wishes_that_make_no_sense_are_refused);
	tcase_add_test(hostile, what_is_kept_is_charged);
	tcase_add_loop_test(
		hostile, who_looks_is_told_that_it_is_reliable, 0, 2);
	tcase_add_test(hostile, limits_follow_from_what_is_asked_for);
	return check_main(suite, NULL);
}
