/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look.c - snapshots of a broker's counters; see look.h.
 *
 * Two snapshots take turns: a read fills the one that is not shown, and only
 * when all of it is there they change places.
 */
#include "api/look.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/trail.h"

/* An update takes the broker some microseconds; one that stopped in the middle
 * of it never ends. */
#define TRIES 20
#define TRY_NS (200 * MSG_NS_PER_US)

struct msg_broker {
	char path[MSG_PLACE_PATH_BYTES]; /* Of the socket. */
	int fd;
	bool from_file; /* And not from the socket. */
	int shown;      /* Which snapshot; -1: none yet. */
	struct msg_look_snapshot snapshots[2];
};

/* X(name, table) */
#define ROW_KINDS(X)                                                           \
	X(client, CLIENTS)                                                     \
	X(stream, STREAMS)                                                     \
	X(publisher, PUBLISHERS)                                               \
	X(reader, READERS)                                                     \
	X(feed, FEEDS)                                                         \
	X(user, USERS)

/* How many rows of a table there is room for. */
static const uint32_t room[MSG_STATS_TABLE_COUNT] = {
#define ROOM(id, rows, row) [MSG_STATS_##id] = rows,
	MSG_STATS_TABLES(ROOM)
#undef ROOM
};

/* ---- memory ---------------------------------------------------------------- */

static void drop(struct msg_look_snapshot *s)
{
#define DROP(name, table)                                                      \
	free(s->name##_rows);                                                  \
	free(s->name##s);
	ROW_KINDS(DROP)
#undef DROP
}

/* Room for all there can be; what is not used is never touched. */
static bool furnish(struct msg_look_snapshot *s)
{
	bool good = true;

#define FURNISH(name, table)                                                   \
	s->name##_rows =                                                       \
		calloc(room[MSG_STATS_##table], sizeof *s->name##_rows);       \
	s->name##s = calloc(room[MSG_STATS_##table], sizeof *s->name##s);      \
	good = good && s->name##_rows && s->name##s;
	ROW_KINDS(FURNISH)
#undef FURNISH
	return good;
}

/* ---- reading --------------------------------------------------------------- */

/* All tables, as they are now.  0, or an error with the trail. */
static int read_tables(int fd, struct msg_look_snapshot *s)
{
	int n = msg_stats_read_header(fd, &s->header);

	s->info.torn = 0;
	if (n == 0)
		n = msg_stats_read(fd, &s->header, MSG_STATS_TOTALS, &s->totals,
			sizeof s->totals, 1, &s->info.torn);
#define READ(name, table)                                                      \
	if (n >= 0) {                                                          \
		n = msg_stats_read(fd, &s->header, MSG_STATS_##table,          \
			s->name##_rows, sizeof *s->name##_rows,                \
			room[MSG_STATS_##table], &s->info.torn);               \
		s->name##_count = n > 0 ? (uint32_t)n : 0;                     \
	}
	ROW_KINDS(READ)
#undef READ
	return n < 0 ? n : 0;
}

/* All tables of one moment, if the broker goes on. */
static int read_moment(int fd, struct msg_look_snapshot *s)
{
	const struct timespec moment = {.tv_nsec = (long)TRY_NS};
	struct msg_stats_header after;

	for (int i = 0; i < TRIES; i++) {
		uint64_t updates;
		int result = read_tables(fd, s);

		if (result == 0)
			result = msg_stats_read_header(fd, &after);
		if (result < 0)
			return result;
		updates = msg_load(&s->header.updates, relaxed);
		if (!(updates & 1) && s->info.torn == 0 &&
			updates == msg_load(&after.updates, relaxed))
			return 0;
		nanosleep(&moment, NULL);
	}
	s->info.torn += s->info.torn == 0;
	return 0;
}

/* A broker that was started anew has another file. */
static void follow(struct msg_broker *b)
{
	struct msg_stats_header header;
	struct stat about;
	int fd;

	if (!b->from_file || fstat(b->fd, &about) < 0 || about.st_nlink > 0)
		return;
	fd = msg_look_file(b->path);
	if (fd < 0)
		return;
	if (msg_stats_read_header(fd, &header) == 0) {
		close(b->fd);
		b->fd = fd;
	} else {
		close(fd);
	}
}

int msg_broker_read(struct msg_broker *b)
{
	struct msg_look_snapshot *s, *before;
	uint64_t now;
	int result;

	if (!b)
		return msg_fail(MSG_ERROR_ARGUMENT, "broker must not be NULL");
	s = &b->snapshots[b->shown < 0 ? 0 : !b->shown];
	before = b->shown < 0 ? NULL : &b->snapshots[b->shown];
	follow(b);
	result = read_moment(b->fd, s);
	if (result < 0)
		return result;
	now = msg_clock_ns();
	s->info.state = (uint32_t)msg_look_alive(&s->header, b->path, now);
	if (before && before->header.epoch != s->header.epoch)
		before = NULL;
	msg_look_show(s, before, now);
	b->shown = (int)(s - b->snapshots);
	return 0;
}

/* ---- opening --------------------------------------------------------------- */

static int open_file(struct msg_broker *b)
{
	struct msg_stats_header header;
	int result;

	b->fd = msg_look_file(b->path);
	if (b->fd < 0)
		return b->fd;
	result = msg_stats_read_header(b->fd, &header);
	if (result == 0) {
		b->from_file = true;
		return 0;
	}
	close(b->fd);
	b->fd = -1;
	return result;
}

static int open_socket(struct msg_broker *b)
{
	struct msg_control_welcome welcome;
	struct msg_stats_header header;
	int result = msg_look_ask(b->path, &welcome, &b->fd);

	return result < 0 ? result : msg_stats_read_header(b->fd, &header);
}

int msg_broker_open(const char *name, struct msg_broker **broker)
{
	struct msg_broker *b;
	int result;

	if (!broker)
		return msg_fail(MSG_ERROR_ARGUMENT, "broker must not be NULL");
	b = calloc(1, sizeof *b);
	if (!b)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for a broker's counters");
	b->fd = b->shown = -1;
	result = msg_look_path(name, b->path);
	if (result == 0 && open_file(b) < 0)
		result = open_socket(b);
	if (result == 0 &&
		!(furnish(&b->snapshots[0]) && furnish(&b->snapshots[1])))
		result = msg_fail(
			MSG_ERROR_MEMORY, "no memory for a broker's counters");
	if (result == 0)
		result = msg_broker_read(b);
	if (result < 0) {
		msg_broker_close(b);
		return result;
	}
	*broker = b;
	return 0;
}

int msg_broker_close(struct msg_broker *b)
{
	if (!b)
		return 0;
	if (b->fd >= 0)
		close(b->fd);
	drop(&b->snapshots[0]);
	drop(&b->snapshots[1]);
	free(b);
	return 0;
}

/* ---- rows ------------------------------------------------------------------ */

const struct msg_broker_info *msg_broker_info(const struct msg_broker *b)
{
	return &b->snapshots[b->shown].info;
}

#define GET(name, table)                                                       \
	const struct msg_broker_##name *msg_broker_##name(                     \
		const struct msg_broker *b, uint32_t index)                    \
	{                                                                      \
		const struct msg_look_snapshot *s = &b->snapshots[b->shown];   \
                                                                               \
		return index < s->name##_count ? &s->name##s[index] : NULL;    \
	}
ROW_KINDS(GET)
#undef GET
