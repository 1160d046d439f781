/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - what the broker shows of itself: a file of counters beside its
 * socket, which others read while it runs, hangs or is gone.
 *
 *     stats.c           the file: made at the start, removed at the end; when
 *                       it is brought up to date
 *     stats_collect.c   what goes into its rows
 *
 * The loop says when something happened, and once in 100 ms the rows that are
 * others now are written; nothing is counted for this that is not counted
 * anyway.  While nothing happens here, local publishers and subscribers may be
 * busy without us: as long as there are streams, we look once a second.
 *
 * Where the file cannot be made the broker serves without; its counters can
 * then be asked for over the socket, while it answers.  Layout:
 * link/shm/stats_page.h.  Tests: tests/local/broker_look.sh.
 */
#ifndef BROKER_STATS_H
#define BROKER_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/shm/segment.h"
#include "link/shm/stats_page.h"

struct server;
struct listening;
struct config;

struct stats {
	struct msg_stats_header *page; /* NULL: not open. */
	int fd;          /* Read-only, for clients. */
	bool mapped;     /* The page is a file's. */
	struct msg_shm_segment segment; /* The page, where no file was had. */
	const struct listening *place;
	dev_t device;    /* Of the file. */
	ino_t inode;
	uint64_t ids;    /* Given to clients and streams. */
	uint64_t last_ns; /* Last update. */
	bool dirty;      /* Something happened since. */
};

/* Make the page, as a file at `place` if there is one (NULL: none).  The
 * server's network is open.  0, or an error with the trail. */
int stats_open(struct server *server, const struct listening *place);

/* Remove the file if it is still ours. */
void stats_close(struct stats *stats);

/* Something happened. */
static inline void stats_touch(struct stats *stats)
{
	stats->dirty = true;
}

/* When an update is due, CLOCK_MONOTONIC; UINT64_MAX: not by itself. */
uint64_t stats_due(const struct server *server);

/* Bring it up to date if that is due. */
void stats_tick(struct server *server, uint64_t now_ns);

/* Going to sleep until then at the latest; and back. */
void stats_sleep(struct stats *stats, uint64_t until_ns);
void stats_awake(struct stats *stats);

/* Write all rows that are others than before.  Whether there were some, but
 * for the totals.  For stats.c. */
bool stats_collect(struct server *server);

#endif
