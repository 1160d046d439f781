/* SPDX-License-Identifier: BSD-2-Clause */
/* stats_page.c - rows written and read without a lock; see stats_page.h. */
#include "link/shm/stats_page.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"

/* A row changes every 100 ms; a look takes some microseconds. */
#define TRIES 64
#define PAGE_BYTES 4096u

static const struct {
	uint32_t row_max;
	uint32_t row_bytes;
} shapes[MSG_STATS_TABLE_COUNT] = {
#define SHAPE(id, rows, row) [MSG_STATS_##id] = {rows, sizeof(struct row)},
	MSG_STATS_TABLES(SHAPE)
#undef SHAPE
};

#define WHOLE(id, rows, row)                                                   \
	_Static_assert(sizeof(struct row) % 8 == 0 &&                          \
			       sizeof(struct row) <= MSG_STATS_ROW_BYTES_MAX,  \
		"a row is whole words");
MSG_STATS_TABLES(WHOLE)
#undef WHOLE

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/* ---- the broker's side ---------------------------------------------------- */

/* Where each table is; returns the end of the last. */
static uint64_t lay_out(struct msg_stats_place *places)
{
	uint64_t at = MSG_STATS_HEADER_BYTES;

	for (unsigned i = 0; i < MSG_STATS_TABLE_COUNT; i++) {
		struct msg_stats_place *p = &places[i];

		p->row_max = shapes[i].row_max;
		p->row_bytes = shapes[i].row_bytes;
		p->sequences = at;
		at = round_up(at + p->row_max * sizeof(uint32_t), 64);
		p->rows = at;
		at = round_up(at + 2ull * p->row_max * p->row_bytes, 64);
	}
	return round_up(at, PAGE_BYTES);
}

size_t msg_stats_bytes(void)
{
	struct msg_stats_place places[MSG_STATS_TABLE_COUNT];

	memset(places, 0, sizeof places);
	return lay_out(places);
}

void msg_stats_start(struct msg_stats_header *header)
{
	header->magic = MSG_STATS_MAGIC;
	header->version = MSG_STATS_VERSION;
	header->table_count = MSG_STATS_TABLE_COUNT;
	header->bytes = lay_out(header->places);
}

void msg_stats_begin(struct msg_stats_header *header)
{
	uint64_t updates = msg_load(&header->updates, relaxed);

	msg_store(&header->updates, updates | 1, relaxed);
	/* Odd before anything of this update; partner: msg_stats_read's caller,
	 * who looks at `updates` before and after. */
	msg_fence(release);
}

void msg_stats_end(struct msg_stats_header *header, uint64_t now_ns)
{
	uint64_t updates = msg_load(&header->updates, relaxed);

	assert(updates & 1);
	msg_store(&header->updated_ns, now_ns, relaxed);
	/* Release; partner: whoever reads it first and the tables then. */
	msg_store(&header->updates, updates + 1, release);
}

static _Atomic uint32_t *sequence_of(struct msg_stats_header *header,
	const struct msg_stats_place *place, uint32_t index)
{
	return (_Atomic uint32_t *)(void *)((uint8_t *)header +
					    place->sequences) +
	       index;
}

static _Atomic uint64_t *copy_of(struct msg_stats_header *header,
	const struct msg_stats_place *place, uint32_t index, uint32_t which)
{
	return (_Atomic uint64_t *)(void *)((uint8_t *)header + place->rows +
					    (2ull * index + which) *
						    place->row_bytes);
}

/* Whether a copy holds that row; it is ours, so it stands still. */
static bool holds(
	const _Atomic uint64_t *copy, const uint8_t *row, size_t words)
{
	uint64_t word;

	for (size_t i = 0; i < words; i++) {
		memcpy(&word, row + i * sizeof word, sizeof word);
		if (msg_load(&copy[i], relaxed) != word)
			return false;
	}
	return true;
}

bool msg_stats_put(struct msg_stats_header *header, enum msg_stats_table table,
	uint32_t index, const void *row)
{
	const struct msg_stats_place *place = &header->places[table];
	_Atomic uint32_t *sequence = sequence_of(header, place, index);
	uint32_t now = msg_load(sequence, relaxed);
	size_t words = place->row_bytes / sizeof(uint64_t);
	_Atomic uint64_t *copy;
	uint64_t word;

	assert(index < place->row_max);
	if (holds(copy_of(header, place, index, now & 1), row, words))
		return false;
	copy = copy_of(header, place, index, (now + 1) & 1);
	/* The last step of the sequence before what is written next; partner:
	 * the fence in read_row. */
	msg_fence(release);
	for (size_t i = 0; i < words; i++) {
		memcpy(&word, (const uint8_t *)row + i * sizeof word,
			sizeof word);
		msg_store(&copy[i], word, relaxed);
	}
	msg_store(sequence, now + 1, release);
	return true;
}

void msg_stats_use(struct msg_stats_header *header, enum msg_stats_table table,
	uint32_t used)
{
	assert(used <= header->places[table].row_max);
	/* Release; partner: msg_stats_read: the rows are there. */
	msg_store(&header->places[table].used, used, release);
}

/* ---- the reading side ------------------------------------------------------ */

/* All of it, or false. */
static bool read_at(int fd, void *to, size_t bytes, uint64_t offset)
{
	uint8_t *at = to;

	while (bytes > 0) {
		ssize_t n = pread(fd, at, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += (size_t)n;
		bytes -= (size_t)n;
	}
	return true;
}

static bool place_is_good(const struct msg_stats_place *place, uint64_t bytes)
{
	uint64_t rows = 2ull * place->row_max * place->row_bytes;
	uint64_t sequences = place->row_max * sizeof(uint32_t);

	/* Small enough by now that nothing overflows. */
	return place->row_max <= MSG_STATS_ROWS_MAX &&
	       place->row_bytes <= MSG_STATS_ROW_BYTES_MAX &&
	       place->row_bytes >= sizeof(uint64_t) &&
	       place->sequences <= bytes && place->rows <= bytes &&
	       sequences <= bytes - place->sequences &&
	       rows <= bytes - place->rows;
}

static void end_texts(struct msg_stats_header *h)
{
	h->name[sizeof h->name - 1] = '\0';
	h->path[sizeof h->path - 1] = '\0';
	h->device[sizeof h->device - 1] = '\0';
	h->interface[sizeof h->interface - 1] = '\0';
	h->address[sizeof h->address - 1] = '\0';
	h->groups[sizeof h->groups - 1] = '\0';
	h->reason[sizeof h->reason - 1] = '\0';
}

int msg_stats_read_header(int fd, struct msg_stats_header *header)
{
	struct msg_stats_header copy;
	struct stat about;
	unsigned known;

	/* A pipe or a terminal would keep us waiting. */
	if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode) ||
		!read_at(fd, &copy, sizeof copy, 0) ||
		copy.magic != MSG_STATS_MAGIC)
		return msg_fail(
			MSG_ERROR_FABRIC, "these are no counters of a broker");
	if (copy.version != MSG_STATS_VERSION)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker's counters are of version %u, and this "
			"libmsg reads version %u; use the one that came with "
			"the broker",
			copy.version, MSG_STATS_VERSION);
	known = copy.table_count < MSG_STATS_TABLE_COUNT
			? copy.table_count
			: MSG_STATS_TABLE_COUNT;
	for (unsigned i = 0; i < known; i++)
		if (!place_is_good(&copy.places[i], (uint64_t)about.st_size))
			return msg_fail(MSG_ERROR_FABRIC,
				"the broker's counters contradict themselves: "
				"table %u is not where they say",
				i);
	/* An older broker's: those tables are empty. */
	for (unsigned i = known; i < MSG_STATS_TABLE_COUNT; i++)
		memset(&copy.places[i], 0, sizeof copy.places[i]);
	end_texts(&copy);
	*header = copy;
	return 0;
}

/* What a read of a table needs. */
struct look {
	int fd;
	const struct msg_stats_place *place;
	uint32_t *before, *after; /* Sequences around the rows. */
	uint8_t *rows;            /* Both copies of each. */
};

static uint64_t stride(const struct look *l)
{
	return 2ull * l->place->row_bytes;
}

static bool look_at(struct look *l, uint32_t from, uint32_t count)
{
	uint64_t sequences = l->place->sequences + from * sizeof(uint32_t);
	bool good = read_at(
		l->fd, l->before + from, count * sizeof(uint32_t), sequences);

	/* Each system call ends before the next begins; the fences keep that
	 * order in memory.  Partner: msg_stats_put. */
	msg_fence(seq_cst);
	good = good &&
	       read_at(l->fd, l->rows + from * stride(l), count * stride(l),
		       l->place->rows + from * stride(l));
	msg_fence(seq_cst);
	return good && read_at(l->fd, l->after + from, count * sizeof(uint32_t),
			       sequences);
}

/* Whether row `i` is whole, looking again if need be. */
static bool is_whole(struct look *l, uint32_t i)
{
	for (int tries = 0; l->before[i] != l->after[i]; tries++)
		if (tries == TRIES || !look_at(l, i, 1))
			return false;
	return true;
}

static int gather(struct look *l, uint32_t count, void *rows, size_t row_bytes,
	uint32_t *torn)
{
	size_t common = row_bytes < l->place->row_bytes ? row_bytes
							: l->place->row_bytes;
	uint8_t *to = rows;
	int whole = 0;

	if (!look_at(l, 0, count))
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker's counters end too early");
	for (uint32_t i = 0; i < count; i++) {
		if (!is_whole(l, i)) {
			++*torn;
			continue;
		}
		memset(to, 0, row_bytes);
		memcpy(to,
			l->rows + i * stride(l) +
				(l->before[i] & 1) * l->place->row_bytes,
			common);
		to += row_bytes;
		whole++;
	}
	return whole;
}

int msg_stats_read(int fd, const struct msg_stats_header *header,
	enum msg_stats_table table, void *rows, size_t row_bytes,
	uint32_t capacity, uint32_t *torn)
{
	struct look l = {.fd = fd, .place = &header->places[table]};
	uint32_t count = 0;
	int result;

	if (l.place->row_max == 0)
		return 0;
	if (!read_at(fd, &count, sizeof count,
		    offsetof(struct msg_stats_header, places) +
			    table * sizeof *l.place +
			    offsetof(struct msg_stats_place, used)))
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker's counters end too early");
	if (count > l.place->row_max)
		count = l.place->row_max;
	if (count > capacity)
		count = capacity;
	if (count == 0)
		return 0;
	l.before = calloc(2ul * count, sizeof *l.before);
	l.after = l.before ? l.before + count : NULL;
	l.rows = malloc(count * stride(&l));
	result = l.before && l.rows
			 ? gather(&l, count, rows, row_bytes, torn)
			 : msg_fail(MSG_ERROR_MEMORY,
				   "no memory for the broker's counters");
	free(l.before);
	free(l.rows);
	return result;
}
