/* SPDX-License-Identifier: BSD-2-Clause */
/* feed.c - from the network into the rings; see feed.h. */
#include "broker/feed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "broker/client.h"
#include "broker/log.h"
#include "broker/network.h"
#include "broker/server_internal.h"
#include "broker/stream.h"

#include "base/clock.h"
#include "base/trail.h"
#include "link/module.h"
#include "pool/ring_reader.h"
#include "protocol/greeting.h"
#include "protocol/pack.h"

#define PUBLISHERS_MAX 4096u
/* For connected topics: 33 MiB, 64 on a kernel lane.  A quarter of the window, after
 * which receivers report, must be less than this. */
#define CONNECTED_SLOTS 512u
#define REORDER_NS (200 * MSG_NS_PER_US)
#define REORDER_SOFTWARE_NS (5 * MSG_NS_PER_MS)
/* Of reliable topics: a gap is asked for after so long, and lost after … */
#define ASK_NS (200 * MSG_NS_PER_US)
#define GIVE_UP_NS MSG_NS_PER_S
/* Readers that leave the others less than a quarter of the slots for so long, and
 * hold such a part of them each, … */
#define HOARD_NS (100 * MSG_NS_PER_MS)
#define HOARD_PART 16u
/* … which is looked for so often. */
#define HOARD_LOOK_NS (10 * MSG_NS_PER_MS)
/* Of the slots this part stays in rings for who comes late, while nobody else
 * needs it; and this one once somebody has asked for history. */
#define RETAIN 16u
#define RETAIN_WANTED 4u

/* Our name in reports. */
static int draw_name(uint64_t *name)
{
	if (getrandom(name, sizeof *name, 0) != (ssize_t)sizeof *name)
		return msg_fail(MSG_ERROR_FABRIC, "no random numbers: %s",
			strerror(errno));
	return 0;
}

/* ---- who holds too much --------------------------------------------------- */

/* Before he loses his ring. */
static void say_evicted(struct feed *f, const struct stream *s, uint32_t reader,
	const char *why)
{
	const struct client *client = s->readers[reader].client;

	f->evicted++;
	log_say(LOG_READER_EVICTED,
		"a subscriber of '%s' (pid %d) held %llu slots %s and lost its "
		"ring",
		s->topic, client ? (int)client->peer.pid : 0,
		(unsigned long long)stream_in_hand(s, reader), why);
}

static void hoarded(void *context, uint32_t topic, uint32_t reader)
{
	struct feed *f = context;

	say_evicted(f, f->streams[topic], reader, "while publishers waited");
}

/* Slots are in readers' hands, and too few are left: whoever holds most, and no
 * less than `least`, loses his ring.  `wide`: of connected topics. */
static void relieve(
	struct feed *f, uint64_t least, bool wide, const char *why)
{
	struct stream *worst = NULL;
	uint32_t reader = 0;

	for (uint32_t i = 0; i < f->follow.topic_count; i++) {
		struct stream *s = f->streams[i];

		if (!s || (wide && !s->writer.waits))
			continue;
		for (uint32_t k = 0; k < s->reader_top; k++) {
			if (!s->readers[k].used ||
				!msg_ring_writer_has(&s->writer, k) ||
				stream_in_hand(s, k) < least)
				continue;
			worst = s;
			reader = k;
			least = stream_in_hand(s, k) + 1;
		}
	}
	if (!worst)
		return;
	say_evicted(f, worst, reader, why);
	msg_ring_evict(&worst->writer, reader);
}

/* None is left; or few, for so long that it is no burst.  What readers have yet to
 * take is taken from them meanwhile: so a turn that ends with none may just have
 * filled them all, and counts only if it began with none. */
static void look_for_hoarders(struct feed *f, bool began_with_none)
{
	uint64_t now = msg_clock_coarse_ns();
	bool wide;

	if (began_with_none && f->receiver.posted == 0) {
		relieve(f, 1, false, "while none was left");
		return;
	}
	if (now < f->look_ns)
		return;
	f->look_ns = now + HOARD_LOOK_NS;
	wide = msg_receiver_starved(&f->receiver);
	if (!wide && !msg_receiver_short(&f->receiver)) {
		f->short_ns = 0;
		return;
	}
	if (f->short_ns == 0)
		f->short_ns = now;
	if (now - f->short_ns < HOARD_NS)
		return;
	f->short_ns = 0;
	relieve(f, (wide ? CONNECTED_SLOTS : f->slots) / HOARD_PART, wide,
		"while few were left");
}

/* The first connected topic was heard of. */
static int open_session(void *context)
{
	struct feed *f = context;
	const struct msg_channel_module *module;
	struct msg_session_options options;
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result;

	if (!finder_ask(&f->server->finder))
		return -MSG_ERROR_AGAIN;
	result = msg_link_module_channels(&module);
	if (result == 0)
		result = msg_receiver_session_options(&f->receiver, &options);
	if (result < 0)
		return result;
	result = msg_session_open(
		f->network->domain, module, &options, &f->session, text);
	if (result < 0)
		return msg_fail(-result, "%s", text);
	result = msg_receiver_start_session(&f->receiver, f->session);
	return result < 0 ? result
			  : server_watch_lane(f->server,
				    msg_session_side(f->session)->fd);
}

static int open_fetch(struct feed *f)
{
	const struct msg_channel_module *module;
	struct msg_channels_options options = {
		.memory = f->pool.base,
		.memory_bytes = msg_receive_narrow_bytes(&f->receiver.pool),
		.receive_count = 1,
		.send_count = MSG_FETCH_READS,
		.connection_max = MSG_FETCH_ITEMS,
	};
	struct msg_fetch_options fetch = {.give_up_ns = GIVE_UP_NS};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_channels(&module);

	if (result < 0)
		return result;
	result = module->open(
		f->network->domain, &options, &f->fetched_by, text);
	if (result < 0)
		return msg_fail(-result, "%s", text);
	f->fetch = calloc(1, sizeof *f->fetch);
	if (!f->fetch)
		return msg_fail(MSG_ERROR_MEMORY, "no memory to catch up");
	fetch.channels = f->fetched_by;
	result = msg_fetch_open(f->fetch, &fetch);
	if (result < 0)
		return result;
	f->receiver.fetch = f->fetch;
	return 0;
}

static void close_fetch(struct feed *f)
{
	if (f->receiver.fetch)
		msg_fetch_close(f->fetch);
	f->receiver.fetch = NULL;
	if (f->fetched_by)
		f->fetched_by->ops->close(f->fetched_by);
	free(f->fetch);
	f->fetched_by = NULL;
	f->fetch = NULL;
}

/* Now, and not when somebody wants it: to find libfabric's providers takes a while,
 * and he would wait.  Where it cannot be read, it is asked for. */
static void read_history(struct feed *f)
{
	if (!f->network->domain->reads || open_fetch(f) == 0)
		return;
	msg_log(&f->log, MSG_LOG_WARNING, "history-unread",
		"history is asked for and not read: %s", msg_trail_text());
	close_fetch(f);
}

static int open_receiver(struct feed *f)
{
	struct network *n = f->network;
	struct msg_receive_options options = {
		.frame_bytes = network_receive_bytes(n),
		.buffer_count = f->slots,
		.message_bytes_max = MSG_MESSAGE_BYTES_MAX,
		.publisher_count_max = PUBLISHERS_MAX,
		.topic_count_max = FEED_TOPICS_MAX,
		.reorder_ns = n->domain->software ? REORDER_SOFTWARE_NS
						  : REORDER_NS,
		.reliable = true,
		.ask_ns = ASK_NS,
		.give_up_ns = GIVE_UP_NS,
		.fetch_count = n->domain->reads ? MSG_FETCH_SLOTS : 0,
		.revoke = true,
		.large_count = MSG_LARGE_BUFFERS_MAX,
		.connected_count = CONNECTED_SLOTS,
		.connected_bytes = msg_connected_buffer_bytes(
			n->domain->lane == MSG_LANE_VERBS),
		.connect = open_session,
		.connect_context = f,
		.hoarded = hoarded,
		.hoarded_context = f,
		.announce = msg_follow_announced,
		.announce_context = &f->follow,
	};
	struct msg_receive_shape shape = msg_receiver_shape(&options);
	size_t bytes = msg_receive_shape_bytes(&shape);
	int result = draw_name(&options.name);

	if (result == 0)
		result = msg_shm_segment_create(
			&f->pool, "msg-pool", bytes, MSG_SHM_HUGE);
	if (result < 0)
		return result;
	options.shared = f->pool.base;
	return msg_receiver_open(&f->receiver, &options);
}

/* Whence repairs come, and whither reports go. */
static int open_side(struct feed *f, char *text)
{
	struct msg_link_domain *domain = f->network->domain;
	struct msg_link_options options;
	int result = msg_receiver_side_options(&f->receiver, &options);

	if (result < 0)
		return result;
	result = domain->ops->link_open(domain, &options, &f->side, text);
	if (result < 0)
		return msg_fail(-result, "%s", text);
	return msg_receiver_start_side(&f->receiver, f->side);
}

static int open_link(struct feed *f)
{
	struct network *n = f->network;
	struct msg_link_options options = {
		.memory = f->pool.base,
		.memory_bytes = msg_receive_narrow_bytes(&f->receiver.pool),
		.receive_count = f->slots,
		.port = n->port,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = n->domain->ops->link_open(
		n->domain, &options, &f->link, text);

	if (result < 0)
		return msg_fail(-result, "%s", text);
	result = msg_receiver_start(&f->receiver, f->link);
	if (result == 0)
		result = open_side(f, text);
	/* After the device has its map: nobody gets another writable one. */
	return result < 0 ? result
			  : msg_shm_segment_seal(
				    &f->pool, MSG_SHM_SEAL_READ_ONLY);
}

int feed_open(struct feed **out, struct server *server, uint32_t slots)
{
	struct network *network = &server->network;
	struct feed *f = calloc(1, sizeof *f);
	int result;

	if (!f)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a feed");
	f->server = server;
	f->network = network;
	f->slots = slots;
	f->log = (struct msg_log){log_library, NULL};
	f->pool = f->area = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	result = open_receiver(f);
	if (result == 0)
		result = msg_follow_open_many(&f->follow, &f->receiver,
			&network->groups, &f->log, FEED_TOPICS_MAX);
	if (result == 0)
		result = open_link(f);
	if (result < 0) {
		feed_close(f);
		return result;
	}
	read_history(f);
	*out = f;
	return 0;
}

void feed_close(struct feed *f)
{
	if (!f)
		return;
	msg_receiver_leave(&f->receiver);
	feed_close_large(f);
	close_fetch(f);
	if (f->follow.topics)
		msg_follow_close(&f->follow);
	if (f->session)
		msg_session_close(f->session);
	if (f->side)
		f->side->ops->close(f->side);
	if (f->link)
		f->link->ops->close(f->link);
	msg_receiver_close(&f->receiver);
	msg_shm_segment_close(&f->pool);
	free(f);
}

/* ---- what is wanted ----------------------------------------------------- */

static void want(struct msg_receive_wish *wish,
	const struct msg_control_subscribe *said)
{
	uint64_t give_up_ns = said->give_up_ms
				      ? said->give_up_ms * MSG_NS_PER_MS
				      : GIVE_UP_NS;

	if (give_up_ns > wish->give_up_ns)
		wish->give_up_ns = give_up_ns;
	if (said->history_count > wish->history)
		wish->history = said->history_count;
	if (said->large_bytes_max > wish->large_bytes_max)
		wish->large_bytes_max = said->large_bytes_max;
	wish->tagged |= said->tagged;
}

/* Entries for who comes late: each topic its part. */
static void retain(struct feed *f)
{
	uint32_t part = f->slots / (f->history ? RETAIN_WANTED : RETAIN);
	uint32_t count = 0;

	for (uint32_t i = 0; i < f->follow.topic_count; i++)
		count += f->streams[i] != NULL;
	if (count > 0)
		part /= count;
	for (uint32_t i = 0; i < f->follow.topic_count; i++)
		if (f->streams[i])
			f->streams[i]->writer.retain = part;
	msg_receiver_retain(&f->receiver, part * count);
}

void feed_wish(struct feed *f, struct stream *stream)
{
	struct msg_receive_wish wish = {0};
	bool resumes = false;

	for (uint32_t i = 0; i < stream->reader_top; i++) {
		const struct stream_reader *r = &stream->readers[i];

		if (!r->used || !r->client)
			continue;
		want(&wish, &r->client->wish);
		resumes |= r->client->wish.resumes;
	}
	/* One that has read of this topic before is not to read it twice. */
	if (resumes)
		wish.history = 0;
	if (wish.large_bytes_max > 0)
		feed_open_large(f);
	if (f->pull)
		stream->area = &f->area;
	msg_receiver_wish(&f->receiver, stream->number, &wish);
	if (wish.history > 0 && !f->history) {
		f->history = true;
		retain(f);
	}
}

/* ---- topics -------------------------------------------------------------- */

int feed_add(struct feed *f, struct stream *stream, uint64_t epoch,
	const struct msg_control_subscribe *said)
{
	struct msg_receive_wish wish = {0};
	struct msg_ring_writer_options options = {
		.header = (struct msg_ring_header *)stream->ring.base,
		.entry_count = stream->entry_count,
		.pin_max = msg_receive_slots(&f->receiver.pool) +
			   MSG_LARGE_BUFFERS_MAX,
		.epoch = epoch,
		.shared = true,
		.free = msg_receiver_free,
		.free_all = msg_receiver_free_all,
		.wake = stream_wake,
		.context = &f->receiver,
	};
	int result = msg_ring_writer_open(&stream->writer, &options);

	if (result < 0)
		return result;
	stream->writer.wake_context = stream;
	stream->pool = &f->pool;
	stream->feed = f;
	result = msg_shm_segment_seal(&stream->ring, MSG_SHM_SEAL_READ_ONLY);
	if (result == 0)
		result = msg_follow_add(
			&f->follow, stream->topic, &stream->number);
	if (result < 0) {
		msg_ring_writer_close(&stream->writer);
		return result;
	}
	f->streams[stream->number] = stream;
	f->idle_ns = 0;
	msg_receiver_publish_to(
		&f->receiver, stream->number, &stream->writer);
	/* Nothing was received since the group was joined: no turn went by. */
	want(&wish, said);
	if (said->resumes)
		wish.history = 0;
	if (wish.large_bytes_max > 0)
		feed_open_large(f);
	msg_receiver_wish(&f->receiver, stream->number, &wish);
	retain(f);
	return 0;
}

void feed_remove(struct feed *f, struct stream *stream)
{
	msg_follow_drop(&f->follow, stream->number);
	/* Nobody reads it: all of it comes back. */
	msg_ring_reclaim(&stream->writer, stream->writer.head);
	assert(stream->writer.tail == stream->writer.head &&
	       stream->writer.pin_count == 0);
	msg_receiver_publish_to(&f->receiver, stream->number, NULL);
	f->streams[stream->number] = NULL;
	msg_ring_writer_close(&stream->writer);
	retain(f);
	for (uint32_t i = 0; i < f->follow.topic_count; i++)
		if (f->streams[i])
			return;
	f->idle_ns = msg_clock_coarse_ns();
}

/* Messages and bytes of an entry that we published. */
static void tally(struct feed *f, const struct msg_ring_item *item)
{
	struct msg_pack_reader pack;
	const uint8_t *data;
	uint32_t bytes, at = 0;

	if (item->kind == MSG_RING_EVENT)
		return;
	if (item->kind != MSG_RING_PACKED) {
		/* Of a message in parts, its last. */
		f->messages += item->segments == 1;
		f->bytes += item->kind == MSG_RING_LARGE ? item->total
							 : item->bytes;
		return;
	}
	data = f->pool.base + (size_t)item->place * MSG_RING_PLACE_UNIT;
	if (msg_pack_open(&pack, data, item->bytes) < 0)
		return;
	while (msg_pack_next(&pack, &data, &bytes)) {
		/* The first may have been delivered before. */
		if (at++ < item->total)
			continue;
		f->messages++;
		f->bytes += bytes;
	}
}

static void tally_new(struct feed *f, struct stream *s)
{
	const struct msg_ring_reader ring = {
		.entries = s->writer.entries, .mask = s->writer.mask};
	struct msg_ring_item item;

	for (; s->tallied < s->writer.head; s->tallied++)
		if (msg_ring_peek(&ring, s->tallied, &item) == MSG_RING_ENTRY)
			tally(f, &item);
}

/* Readers that were lapped learn what they lost from what follows; where nothing
 * follows for a turn, from how far each stream is. */
static void mark(struct feed *f, struct stream *s)
{
	if (!f->receiver.options.events)
		return;
	if (s->writer.revoked != s->revoked || s->writer.head != s->flushed) {
		s->unmarked |= s->writer.revoked != s->revoked;
		s->revoked = s->writer.revoked;
	} else if (s->unmarked) {
		s->unmarked = !msg_receiver_mark(&f->receiver, s->number);
	}
	f->unmarked |= s->unmarked;
}

static uint64_t count_starved(const struct feed *f)
{
	return msg_counter_get(&f->receiver.counters[MSG_COUNTER_STARVED]);
}

int feed_turn(struct feed *f)
{
	uint64_t published = f->receiver.published;
	uint64_t starved = count_starved(f);
	int n = msg_receiver_turn(&f->receiver);

	look_for_hoarders(f, count_starved(f) != starved);
	if (f->idle_ns > 0)
		feed_rest_large(f, msg_clock_coarse_ns());
	if (f->receiver.published == published && !f->unmarked)
		return n;
	f->unmarked = false;
	for (uint32_t i = 0; i < f->follow.topic_count; i++)
		if (f->streams[i]) {
			mark(f, f->streams[i]);
			stream_flush(f->streams[i]);
			tally_new(f, f->streams[i]);
		}
	return n;
}
