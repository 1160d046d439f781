/* SPDX-License-Identifier: BSD-2-Clause */
/* keep_sides.c - see keep_sides.h. */
#include "keep_sides.h"

#include <string.h>

#include "protocol/greeting.h"
#include "topic/name.h"

/* ---- the publisher ------------------------------------------------------- */

struct keep_source source;

/* The topic is had by connections. */
static bool calls;

static void announce(void);

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

struct msg_control wish(void)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};

	snprintf(m.publish.topic, sizeof m.publish.topic, TOPIC);
	m.publish.incarnation = 0x1234567800000000ull | ID;
	m.publish.message_bytes_max = BYTES_MAX;
	m.publish.loan_count_max = LOANS;
	m.publish.period_ms = 1000;
	m.publish.reliability =
		calls ? MSG_RELIABILITY_RC : MSG_RELIABILITY_RELIABLE;
	m.publish.history_bytes = 16u << 20;
	m.publish.give_up_ms = 1000;
	m.publish.linger_ms = 1000;
	return m;
}

void publish_as(const struct msg_control *m)
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
	announce();
}

void leave(void)
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

bool put(void)
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

struct keep_sink sink;

static void open_fetch(void)
{
	struct msg_receiver *r = &sink.direct.receiver;
	struct msg_channels_options options = {
		.memory = r->pool.region.base,
		.memory_bytes = msg_receive_narrow_bytes(&r->pool),
		.receive_count = 1,
		.send_count = MSG_FETCH_READS,
		.connection_max = MSG_FETCH_ITEMS,
	};
	struct msg_fetch_options fetch = {.give_up_ns = MSG_NS_PER_S};
	char text[MSG_LINK_TEXT_BYTES];

	ck_assert_int_eq(memory_channel_module.open(sink.domain, &options,
				 &sink.channels, text),
		0);
	fetch.channels = sink.channels;
	ck_assert_int_eq(msg_fetch_open(&sink.fetch, &fetch), 0);
	r->fetch = &sink.fetch;
}

static int open_session(void *context)
{
	struct msg_receiver *r = &sink.direct.receiver;
	struct msg_session_options options;
	char text[MSG_LINK_TEXT_BYTES];

	(void)context;
	ck_assert_int_eq(msg_receiver_session_options(r, &options), 0);
	ck_assert_int_eq(msg_session_open(sink.domain, &memory_channel_module,
				 &options, &sink.session, text),
		0);
	return msg_receiver_start_session(r, sink.session);
}

/* As an announcement would have it told. */
static void announce(void)
{
	const struct msg_frame frame = {.type = MSG_FRAME_ANNOUNCE,
		.tag = msg_name_tag(TOPIC),
		.publisher = ID};
	const struct keep *k = relay() ? relay()->keep : NULL;
	struct msg_receive_offer offer;

	if (!calls || !k)
		return;
	offer = (struct msg_receive_offer){
		.incarnation = k->repairer.options.incarnation,
		.next_sequence = k->next_sequence,
		.reach = k->repairer.reach,
	};
	ck_assert_int_eq(
		msg_receiver_offered(&sink.direct.receiver, &frame, &offer), 0);
}

static void open_sink(uint32_t history)
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
		/* By the clock, and on a busy machine that is a dozen rounds a
		 * second, each of which half of all repairs do not outlast. */
		.give_up_ns = LIMIT_NS,
		.name = 0x5eed + history,
		.history = history,
		.fetch_count = memory_reads ? MSG_FETCH_SLOTS : 0,
		.connected_count = calls ? 128 : 0,
		.connected_bytes = msg_connected_buffer_bytes(false),
		.connect = open_session,
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
	if (memory_reads)
		open_fetch();
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
	if (sink.channels) {
		msg_fetch_close(&sink.fetch);
		sink.channels->ops->close(sink.channels);
	}
	if (sink.session)
		msg_session_close(sink.session);
	sink.side->ops->close(sink.side);
	sink.link->ops->close(sink.link);
	msg_direct_close(&sink.direct);
	sink.domain->ops->close(sink.domain);
}

static void check_view(const struct msg_view *view)
{
	static uint8_t wanted[BYTES_MAX], got[BYTES_MAX];

	if (sink.late && sink.taken == 0)
		sink.next = view->sequence - view->lost_before;
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

void take(void)
{
	struct msg_view views[64];
	int n;

	announce();
	n = msg_direct_take(&sink.direct, views, 64);
	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		check_view(&views[i]);
	msg_inbox_release(&sink.direct.inbox, views, n);
}

/* ---- both ---------------------------------------------------------------- */

struct publisher *relay(void)
{
	return broker_server->publishers;
}

void check_bounds(void)
{
	const struct keep *k = relay()->keep;
	const struct msg_ring_reader *r = &relay()->reader;

	ck_assert_uint_le(k->slots, k->limits.slots + 1);
	ck_assert_uint_le(r->next - r->low, relay()->shape.keep_max);
	ck_assert_uint_le(k->next - k->first, k->limits.frames);
	ck_assert_uint_eq(k->next, k->repairer.repair.next);
	ck_assert_uint_eq(k->first, k->repairer.repair.first);
}

void flow(uint64_t count)
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

void keep_setup(void)
{
	struct memory_wire_options wire = {.seed = check_seed()};

	memory_wire_reset(&wire);
	broker_configure("udp");
	broker_open();
	open_sink(0);
}

void keep_setup_reads(void)
{
	memory_channel_reset(
		&(struct memory_channel_options){.seed = check_seed()});
	memory_reads = true;
	keep_setup();
}

void keep_setup_calls(void)
{
	calls = true;
	keep_setup_reads();
}

void come_late(void)
{
	close_sink();
	open_sink(UINT32_MAX);
	sink.late = true;
	announce();
}

void keep_teardown(void)
{
	close_sink();
	broker_close();
}
