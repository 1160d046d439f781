/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fetch_plan.c - which reads bring the frames of a turn; see fetch.h.
 *
 *     there  ▒bytes▒▒table▒┄┄▒bytes▒▒table▒┄┄┄┄┄┄┄┄┄┄┄┄▒bytes▒▒table▒
 *            └────────── one read ─────────┘          └── another ──┘
 *     here   a chunk │ the same │ …                   then each into its slot
 *
 * A read costs as much as a kilobyte or two of it, and a frame may have two pieces.
 * Those that lie close to each other, as slots do that were filled one after the
 * other, come together with what is between them, and are copied from there.
 */
#include "engine/receive_internal.h"

/* So much that is nobody's is read rather than asked around. */
#define GAP_BYTES 1024u
#define PIECES_MAX (2 * MSG_FETCH_FRAMES)

_Static_assert(MSG_FETCH_CHUNKS <= 32, "they are bits of a word");

struct piece {
	uint64_t begin;
	uint32_t bytes;
	uint16_t frame;
	bool table;
	bool inside;
};

struct pieces {
	uint32_t count;
	struct piece all[PIECES_MAX];
};

static bool is_behind(const struct piece *a, const struct piece *b)
{
	return a->inside != b->inside ? a->inside : a->begin > b->begin;
}

/* They come in order but for some. */
static void add(struct pieces *p, const struct piece *piece)
{
	uint32_t at = p->count++;

	for (; at > 0 && is_behind(&p->all[at - 1], piece); at--)
		p->all[at] = p->all[at - 1];
	p->all[at] = *piece;
}

static void sort(const struct msg_fetch_item *it, struct pieces *pieces)
{
	pieces->count = 0;
	for (uint32_t i = 0; i < it->count; i++) {
		const struct msg_shelf_place *place = &it->frames[i].place;
		struct piece piece = {.begin = place->begin,
			.bytes = place->bytes,
			.frame = (uint16_t)i,
			.inside = place->inside};

		if (it->frames[i].slot == MSG_RECEIVE_NONE)
			continue;
		if (piece.bytes > 0)
			add(pieces, &piece);
		piece.begin += place->table_begin;
		piece.bytes = place->table;
		piece.table = true;
		if (piece.bytes > 0)
			add(pieces, &piece);
	}
}

/* A chunk more; false: there is none now, or the rest is for others. */
static bool take_chunk(
	struct msg_fetch *f, struct msg_fetch_item *it, uint32_t *at)
{
	uint32_t chunk;

	if (f->chunks == 0 ||
		__builtin_popcount(it->chunks) >= (int)MSG_FETCH_CHUNKS / 2)
		return false;
	chunk = (uint32_t)__builtin_ctz(f->chunks);
	f->chunks ^= UINT32_C(1) << chunk;
	it->chunks |= UINT32_C(1) << chunk;
	*at = chunk * MSG_FETCH_CHUNK_BYTES;
	return true;
}

/* Whether the piece is of the range now, which may grow up to `end` in the chunks. */
static bool joins(
	struct msg_fetch_range *range, const struct piece *piece, uint32_t end)
{
	uint64_t from = piece->begin - range->begin;

	if (range->inside != piece->inside || piece->begin < range->begin ||
		from > (uint64_t)range->bytes + GAP_BYTES ||
		range->at + from + piece->bytes > end)
		return false;
	if (from + piece->bytes > range->bytes)
		range->bytes = (uint32_t)from + piece->bytes;
	return true;
}

/* Put the piece into the last range or a new one; false: there is no room, or
 * there never is. */
static bool put(struct msg_fetch *f, struct msg_fetch_item *it,
	const struct piece *piece, uint32_t *end)
{
	struct msg_fetch_range *range = it->ranges + it->range_count;
	uint32_t at = 0;

	if (piece->bytes > MSG_FETCH_CHUNK_BYTES)
		return false;
	if (it->range_count > 0) {
		if (joins(range - 1, piece, *end))
			return true;
		at = range[-1].at + range[-1].bytes;
	}
	if (at + piece->bytes > *end) {
		if (!take_chunk(f, it, &at))
			return false;
		*end = at + MSG_FETCH_CHUNK_BYTES;
	}
	*range = (struct msg_fetch_range){
		.begin = piece->begin,
		.bytes = piece->bytes,
		.at = at,
		.inside = piece->inside,
	};
	it->range_count++;
	return true;
}

void fetch_plan(struct msg_receiver *r, struct msg_fetch_item *it)
{
	struct pieces pieces;
	uint32_t end = 0;

	sort(it, &pieces);
	it->range_count = 0;
	for (uint32_t i = 0; i < pieces.count; i++) {
		const struct piece *piece = &pieces.all[i];
		struct msg_fetch_frame *frame = &it->frames[piece->frame];
		const struct msg_fetch_range *range;

		if (!put(r->fetch, it, piece, &end)) {
			/* It is missing as before. */
			fetch_put_slot(r, frame);
			continue;
		}
		range = &it->ranges[it->range_count - 1];
		frame->at[piece->table] =
			range->at + (uint32_t)(piece->begin - range->begin);
	}
}

void fetch_forget_plan(struct msg_fetch *f, struct msg_fetch_item *it)
{
	f->chunks |= it->chunks;
	it->chunks = 0;
	it->range_count = 0;
}
