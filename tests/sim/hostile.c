/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostile.c - a stranger who hears everything and says what he likes.
 *
 * What can be promised to somebody without keys is promised: what was sent
 * before is not taken again, what is far from all that is known is not
 * believed, nor is a probe of another incarnation; reports of receivers that do
 * not exist cost repairs out of a bucket, and cost the others nothing but time;
 * no bytes break anything.  A frame of the right publisher with a number that
 * is due looks like the true one; such frames the stranger does not make here.
 */
#include <stdlib.h>
#include <string.h>

#include "play.h"
#include "reach.h"

#define HEARD_MAX 512u

struct heard {
	struct packet *packet;
	uint32_t to;
};

struct stranger {
	struct play *play;
	uint32_t node;
	struct heard heard[HEARD_MAX];
	uint64_t heard_count;
};

static struct stranger stranger;

static uint64_t dice(uint64_t limit)
{
	return world_below(&stranger.play->world, DICE_HOSTILE, limit);
}

static struct packet *copy(const struct packet *packet)
{
	struct packet *twin = packet_new(packet->bytes);

	memcpy(twin->data, packet->data, packet->bytes);
	return twin;
}

static void hear(
	void *object, uint32_t from, uint32_t to, const struct packet *packet)
{
	struct heard *place =
		&stranger.heard[stranger.heard_count++ % HEARD_MAX];

	(void)object;
	if (from == stranger.node)
		return;
	packet_drop(place->packet);
	place->packet = copy(packet);
	place->to = to;
}

static void deaf(void *object, struct packet *packet)
{
	(void)object;
	(void)packet;
}

static void say(uint32_t to, struct packet *packet)
{
	uint64_t again;

	if (!net_send(
		    &stranger.play->net, stranger.node, to, packet, &again))
		return;
	stranger.play->forged++;
}

/* One that lives, with a publisher that lives and is known to it. */
static const struct stream *victim(
	uint32_t *node, const struct publisher **publisher)
{
	const struct scenario *s = &stranger.play->scenario;
	const struct receiver *r;
	const struct stream *stream;

	*node = s->publishers + (uint32_t)dice(s->receivers);
	r = stranger.play->alive_receiver[*node];
	*publisher = stranger.play->alive_publisher[dice(s->publishers)];
	if (!r || !*publisher)
		return NULL;
	stream = receiver_stream(r, (*publisher)->options.word);
	return stream && stream->recover.started &&
			       stream->recover.incarnate
		       ? stream
		       : NULL;
}

static void replay(bool cut_short)
{
	struct heard *place = &stranger.heard[dice(HEARD_MAX)];
	struct packet *packet;

	if (!place->packet)
		return;
	packet = copy(place->packet);
	if (cut_short)
		packet->bytes = (uint32_t)dice(packet->bytes);
	say(place->to, packet);
	packet_drop(packet);
}

static void far_frame(void)
{
	const struct publisher *publisher;
	uint32_t node;
	const struct stream *stream = victim(&node, &publisher);
	struct packet *packet = packet_new(MSG_FRAME_HEADER_BYTES + 64);
	struct msg_frame frame = {.type = MSG_FRAME_SINGLE,
		.flags = MSG_FRAME_RELIABLE,
		.bytes = MSG_FRAME_HEADER_BYTES + 64};

	if (stream) {
		frame.tag = publisher->options.tag;
		frame.publisher = publisher->options.word;
		frame.transmission = (uint32_t)(publisher->repair.next + 1 +
			MSG_RECOVER_LEAP + dice(UINT64_C(1) << 30));
		frame.sequence = world_below(&stranger.play->world,
			DICE_HOSTILE, UINT64_MAX);
		if (dice(2))
			frame.flags |= MSG_FRAME_REPAIR;
		msg_frame_write(packet->data, &frame);
		say(node, packet);
	}
	packet_drop(packet);
}

static void wrong_probe(void)
{
	const struct publisher *publisher;
	uint32_t node;
	struct packet *packet =
		packet_new(MSG_FRAME_HEADER_BYTES + MSG_PROBE_BYTES);
	struct msg_probe probe = {.incarnation = dice(UINT64_MAX) << 32,
		.stamp = dice(UINT64_MAX),
		.next_sequence = dice(UINT64_MAX),
		.first_sequence = dice(UINT64_MAX),
		.next = (uint32_t)dice(UINT32_MAX),
		.first = (uint32_t)dice(UINT32_MAX),
		.serial = (uint32_t)dice(UINT32_MAX),
		.period_ms = 100,
		.flags = (uint8_t)dice(32)};

	if (victim(&node, &publisher)) {
		probe.incarnation |= publisher->options.word;
		probe.reach = reach_of(stranger.node);
		packet->bytes = msg_probe_write(packet->data, &probe,
			publisher->options.tag, publisher->options.word);
		say(node, packet);
	}
	packet_drop(packet);
}

static void wrong_report(void)
{
	struct play *play = stranger.play;
	uint32_t node = (uint32_t)dice(play->scenario.publishers);
	const struct publisher *p = play->alive_publisher[node];
	struct packet *packet;
	struct msg_report report = {.receiver = dice(UINT64_MAX) | 1,
		.stamp = dice(UINT64_MAX),
		.window = (uint32_t)dice(2) * (uint32_t)dice(UINT32_MAX),
		.history = (uint32_t)dice(UINT32_MAX),
		.rtt_ns = (uint32_t)dice(2) * (uint32_t)dice(UINT32_MAX),
		.count = (uint16_t)dice(MSG_REPORT_FRAMES_MAX + 1),
		.flags = (uint8_t)dice(8)};

	if (!p)
		return;
	report.heard = (uint32_t)(p->repair.next + 64 - dice(128));
	report.serial = (uint32_t)dice(UINT32_MAX);
	report.position = (uint32_t)(p->repair.next + 64 - dice(4096));
	report.base = dice(4) ? report.position : (uint32_t)dice(UINT32_MAX);
	if (dice(2)) {
		/* As good as true: all that was sent was heard, and missed. */
		report.heard = (uint32_t)p->repair.next;
		report.serial = p->repair.serial;
		report.position = report.heard -
				  (uint32_t)dice(p->repair.next -
						 p->repair.first + 1);
		report.base = report.position;
		if (report.count > report.heard - report.base)
			report.count = (uint16_t)(report.heard - report.base);
	}
	report.reach = reach_of(
		dice(2) ? (uint32_t)dice(play->net.count)
			: (uint32_t)dice(UINT32_MAX));
	for (uint32_t i = 0; i < report.count; i++)
		report.missing[i / 8] |= (uint8_t)(dice(2) << i % 8);
	packet = packet_new(MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX);
	packet->bytes = msg_report_write(
		packet->data, &report, p->options.tag, p->options.word);
	say(node, packet);
	packet_drop(packet);
}

static void noise(void)
{
	struct packet *packet = packet_new(1 + (uint32_t)dice(200));

	for (uint32_t i = 0; i < packet->bytes; i++)
		packet->data[i] = (uint8_t)dice(256);
	/* Half of it looks like the beginning of something. */
	if (dice(2))
		packet->data[0] = (uint8_t)(1 | dice(8) << 4);
	say((uint32_t)dice(stranger.node), packet);
	packet_drop(packet);
}

static void act(
	struct world *world, void *object, void *detail, uint64_t number)
{
	uint64_t kind = dice(8);

	(void)object;
	(void)detail;
	(void)number;
	stranger.play->troubles--;
	world_note(world, NOTE_FORGED, stranger.node, kind, 0);
	switch (kind) {
	case 0:
	case 1:
	case 2:
		replay(false);
		break;
	case 3:
		replay(true);
		break;
	case 4:
		far_frame();
		break;
	case 5:
		wrong_probe();
		break;
	case 6:
		wrong_report();
		break;
	default:
		noise();
		break;
	}
}

void play_hostile(struct play *play)
{
	const struct scenario *s = &play->scenario;
	struct net_node *node;

	for (uint32_t i = 0; i < HEARD_MAX; i++)
		packet_drop(stranger.heard[i].packet);
	memset(&stranger, 0, sizeof stranger);
	if (s->forged == 0)
		return;
	stranger.play = play;
	stranger.node = s->publishers + s->receivers;
	node = &play->net.nodes[stranger.node];
	node->arrive = deaf;
	play->net.tap = hear;
	for (uint32_t i = 0; i < s->forged; i++) {
		play->troubles++;
		world_at(&play->world,
			play->world.now + world_below(&play->world,
						  DICE_HOSTILE,
						  2 * s->duration_ns),
			act, NULL, NULL, 0);
	}
}
