/* SPDX-License-Identifier: BSD-2-Clause */
/* server_side.c - see server_side.h. */
#include "server_side.h"

#include <stdio.h>
#include <string.h>

void side_open(void)
{
	broker_configure("none");
	broker_open();
}

void side_close(void)
{
	broker_close();
}

void side_subscribe_late(
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

void side_subscribe(struct broker_peer *peer, const char *pattern)
{
	side_subscribe_late(peer, pattern, 0);
}

static void freed(void *context, uint32_t token)
{
	struct side_source *s = context;

	(void)token;
	s->freed++;
}

void side_ask_to_publish(struct side_source *s, const char *topic, uint32_t id,
	uint64_t history_bytes)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};

	memset(s, 0, sizeof *s);
	s->ring = s->pool = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	for (uint32_t i = 0; i < SIDE_READERS; i++)
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

void side_publish_keeping(struct side_source *s, const char *topic, uint32_t id,
	uint64_t history_bytes)
{
	struct msg_ring_writer_options options = {.free = freed, .context = s};
	struct msg_control mapped = {.kind = MSG_CONTROL_MAPPED};
	struct msg_control_publishing *shape = &s->peer.got.publishing;

	side_ask_to_publish(s, topic, id, history_bytes);
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

void side_publish(struct side_source *s, const char *topic, uint32_t id)
{
	side_publish_keeping(s, topic, id, 0);
}

void side_leave(struct side_source *s)
{
	broker_peer_close(&s->peer);
	msg_ring_writer_close(&s->writer);
	msg_shm_segment_close(&s->ring);
	msg_shm_segment_close(&s->pool);
	for (uint32_t i = 0; i < SIDE_READERS; i++)
		msg_shm_segment_close(&s->ledgers[i]);
}

unsigned side_hear_readers(struct side_source *s)
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
