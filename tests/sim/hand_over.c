/* SPDX-License-Identifier: BSD-2-Clause */
/* hand_over.c - spans, parts put together, losses told; see hand_over.h. */
#include "hand_over.h"

#include <stdlib.h>

#include "protocol/pack.h"

/* What a frame holds. */
struct content {
	struct msg_span span;
	struct msg_pack_reader pack;
	struct msg_fragment fragment;
	const uint8_t *body;
	uint32_t bytes;
	uint8_t type;
};

static bool read_content(struct content *c, const struct msg_recover *recover,
	const struct msg_frame *frame, const uint8_t *body)
{
	uint64_t sequence = frame->flags & MSG_FRAME_REPAIR
				    ? msg_recover_sequence(recover, frame)
				    : frame->sequence;
	int count = 1;

	c->body = body;
	c->bytes = frame->bytes - MSG_FRAME_HEADER_BYTES;
	c->type = frame->type;
	if (frame->type == MSG_FRAME_FRAGMENT) {
		if (!msg_fragment_read(body, c->bytes, &c->fragment))
			return false;
		c->span = msg_span_fragment(sequence, &c->fragment);
		return true;
	}
	if (frame->type == MSG_FRAME_PACKED)
		count = msg_pack_open(&c->pack, body, c->bytes);
	if (count < 1)
		return false;
	c->span = msg_span_messages(sequence, (uint32_t)count);
	return true;
}

static void message(struct receiver *r, struct stream *s, uint64_t sequence,
	const uint8_t *data, uint32_t bytes)
{
	enum mutant mutant = r->options.mutant;
	uint8_t wrong[16];

	if (mutant == MUTANT_WRONG_BYTE && bytes >= 8 && bytes <= 16 &&
		sequence % 64 == 7) {
		memcpy(wrong, data, bytes);
		wrong[7] ^= 1;
		data = wrong;
	}
	book_message(&s->book, sequence, data, bytes);
	if (mutant == MUTANT_TWICE && sequence % 64 == 7)
		book_message(&s->book, sequence, data, bytes);
}

static bool part(struct stream *s, const struct content *c)
{
	const struct msg_fragment *f = &c->fragment;
	struct assembly *a = &s->assembly;

	if (f->offset == 0) {
		a->data = realloc(a->data, f->total);
		if (!a->data)
			abort();
		a->total = f->total;
		a->bytes = 0;
	}
	if (a->total != f->total || a->bytes != f->offset) {
		a->total = 0;
		return false;
	}
	memcpy(a->data + f->offset, c->body + MSG_FRAGMENT_HEADER_BYTES,
		f->bytes);
	a->bytes += f->bytes;
	return a->bytes == a->total;
}

static void tell(struct receiver *r, struct stream *s, uint64_t first,
	uint64_t lost)
{
	uint64_t gone = s->recover.counts.gone - s->gone;

	s->gone += gone;
	if (lost == 0)
		return;
	s->assembly.total = 0;
	if (r->options.mutant != MUTANT_HIDE_LOSS)
		book_lost(&s->book, first, lost, gone);
}

void hand_over(struct receiver *r, struct stream *s, struct packet *packet)
{
	struct msg_frame frame;
	struct content c;
	const uint8_t *data;
	uint64_t sequence, lost;
	uint32_t bytes;

	if (msg_frame_read(packet->data, packet->bytes, &frame) !=
			MSG_FRAME_OK ||
		!read_content(&c, &s->recover, &frame,
			packet->data + MSG_FRAME_HEADER_BYTES) ||
		!msg_recover_deliver(&s->recover, &c.span))
		return;
	sequence = c.span.sequence;
	lost = msg_recover_lost(&s->recover);
	if (r->options.mutant == MUTANT_INVENT_LOSS && sequence % 64 == 7)
		book_lost(&s->book, sequence++, 1, 0);
	tell(r, s, sequence - lost, lost);
	if (c.type == MSG_FRAME_SINGLE) {
		message(r, s, sequence, c.body, c.bytes);
	} else if (c.type == MSG_FRAME_FRAGMENT) {
		r->handed++;
		if (!part(s, &c))
			return;
		r->handed--;
		message(r, s, sequence, s->assembly.data, s->assembly.total);
		s->assembly.total = 0;
	} else {
		while (msg_pack_next(&c.pack, &data, &bytes))
			message(r, s, sequence++, data, bytes);
	}
	r->handed++;
	if (r->options.delivered)
		r->options.delivered(r->options.context, r, packet,
			frame.flags & MSG_FRAME_REPAIR);
}

void hand_over_loss(struct receiver *r, struct stream *s)
{
	uint64_t lost = msg_recover_lost(&s->recover);

	if (lost > 0)
		tell(r, s, s->recover.sequence - lost, lost);
}
