/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_page.h - the broker's counters as a file: written by one, read by all.
 *
 *     byte 0      header   what it is, of whom, and where the tables are
 *          4096   for each table: a sequence of 4 bytes a row, then the rows,
 *                 two copies of each
 *
 * The broker maps the file and is the only one to write it; others may read it,
 * and do so with pread(2) alone: whatever its owner does to the file, nobody is
 * killed for having mapped it.
 *
 * A row is written into the copy that its sequence does not point to, and then
 * the sequence goes on by one:
 *
 *     writer   fence; copy[(s + 1) & 1] = row; s = s + 1       (release)
 *     reader   s; copy[s & 1]; s again: unchanged, so the copy is whole
 *
 * So there is a whole copy at any time, even if the writer stops in the middle
 * of a row and never goes on.  `updates` is odd while the writer goes through
 * the tables: who wants all of them to be of one moment looks at that, too.
 *
 * The layout grows at its ends: tables are appended to the header, counts to
 * the rows, and each side uses what both know.  Anything else is another
 * MSG_STATS_VERSION.  Numbers are of the host's byte order.
 *
 * Neighbours: broker/stats.c writes, api/broker.c reads.
 * Test: tests/unit/link/shm/test_stats_page.c.
 */
#ifndef MSG_LINK_SHM_STATS_PAGE_H
#define MSG_LINK_SHM_STATS_PAGE_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include <msg/broker.h>

#include "base/atomic.h"
#include "link/shm/control.h"
#include "link/shm/place.h"

#define MSG_STATS_MAGIC 0x746174732d67736dull /* "msg-stat" */
#define MSG_STATS_VERSION 1u
#define MSG_STATS_HEADER_BYTES 4096u

/* What a reader believes at most. */
#define MSG_STATS_ROWS_MAX 65536u
#define MSG_STATS_ROW_BYTES_MAX 4096u

enum msg_stats_table {
	MSG_STATS_TOTALS, /* One row. */
	MSG_STATS_CLIENTS,
	MSG_STATS_STREAMS,
	MSG_STATS_PUBLISHERS,
	MSG_STATS_READERS,
	MSG_STATS_FEEDS,
	MSG_STATS_USERS,
	MSG_STATS_TABLE_COUNT
};

struct msg_stats_totals {
	struct msg_broker_total_counts counts;
};

struct msg_stats_client {
	uint64_t id;
	uint32_t pid;
	uint32_t uid;
	uint32_t role;
	uint32_t slow;
	uint64_t connected_ns; /* CLOCK_MONOTONIC when it connected. */
	char program[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char topic[MSG_CONTROL_TOPIC_BYTES_MAX + 1];
	struct msg_broker_client_counts counts;
};

struct msg_stats_stream {
	uint64_t id;
	char topic[MSG_CONTROL_TOPIC_BYTES_MAX + 1];
	uint32_t local;
	uint32_t entry_count;
	uint32_t rights;
	uint32_t reserved;
	struct msg_broker_stream_counts counts;
};

struct msg_stats_publisher {
	uint64_t id;
	uint64_t stream;
	uint64_t client;
	char host[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char program[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	uint32_t pid;
	uint32_t uid;
	uint32_t local;
	uint32_t reserved;
	struct msg_broker_publisher_counts counts;
};

struct msg_stats_reader {
	uint64_t stream;
	uint64_t client;
	uint32_t hold_max;
	uint32_t slow;
	uint32_t flags;
	uint32_t index;
	struct msg_broker_reader_counts counts;
};

struct msg_stats_feed {
	uint64_t id;
	struct msg_broker_feed_counts counts;
};

struct msg_stats_user {
	uint64_t uid;
	struct msg_broker_user_counts counts;
};

/* X(table, rows at most, struct) */
#define MSG_STATS_TABLES(X)                                                    \
	X(TOTALS, 1, msg_stats_totals)                                         \
	X(CLIENTS, 1024, msg_stats_client)                                     \
	X(STREAMS, 1024, msg_stats_stream)                                     \
	X(PUBLISHERS, 1024, msg_stats_publisher)                               \
	X(READERS, 4096, msg_stats_reader)                                     \
	X(FEEDS, 257, msg_stats_feed)                                          \
	X(USERS, 256, msg_stats_user)

/* Where a table is. */
struct msg_stats_place {
	uint64_t sequences; /* Offset of the first sequence. */
	uint64_t rows;      /* Offset of the first row. */
	uint32_t row_bytes; /* Of one copy. */
	uint32_t row_max;
	_Atomic uint32_t used; /* Rows from here on mean nothing. */
	uint32_t reserved;
};

struct msg_stats_header {
	uint64_t magic; /* What comes before `updates` never changes. */
	uint32_t version;
	uint32_t table_count;
	uint64_t bytes; /* Of the file. */
	uint64_t epoch;
	uint32_t pid;
	uint32_t uid;
	uint64_t pid_start;  /* Field 22 of /proc/PID/stat; 0: not known. */
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	uint64_t started_real_ns;
	uint32_t lane; /* As in struct msg_control_welcome. */
	uint32_t port;
	uint32_t frame_bytes;
	uint32_t reserved;
	char name[MSG_CONTROL_NAME_BYTES_MAX + 8];
	char path[MSG_PLACE_PATH_BYTES + 4]; /* Of the socket. */
	char device[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char interface[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char address[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char groups[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char reason[MSG_CONTROL_REASON_BYTES_MAX + 1];
	alignas(64) _Atomic uint64_t updates; /* Odd: in the middle of one. */
	_Atomic uint64_t updated_ns;          /* CLOCK_MONOTONIC */
	/* When it will wake by itself, CLOCK_MONOTONIC; 0: it is awake. */
	_Atomic uint64_t asleep_until_ns;
	alignas(64) struct msg_stats_place places[MSG_STATS_TABLE_COUNT];
};

_Static_assert(sizeof(struct msg_stats_header) <= MSG_STATS_HEADER_BYTES,
	"the tables begin behind the header");

/* ---- the broker's side ---------------------------------------------------- */

/* Bytes of a whole file. */
size_t msg_stats_bytes(void);

/* Lay out zeroed memory of that size: all of the header that this file knows by
 * itself.  The rest is the caller's to fill in before others see it. */
void msg_stats_start(struct msg_stats_header *header);

/* Around the puts of an update. */
void msg_stats_begin(struct msg_stats_header *header);
void msg_stats_end(struct msg_stats_header *header, uint64_t now_ns);

/* Write row `index`, which is that table's struct, unless it is there already;
 * whether it was not. */
_Bool msg_stats_put(struct msg_stats_header *header,
	enum msg_stats_table table, uint32_t index, const void *row);

/* Rows from `used` on mean nothing. */
void msg_stats_use(struct msg_stats_header *header,
	enum msg_stats_table table, uint32_t used);

/* ---- the reading side: the file is hostile --------------------------------- */

/* Copy and check the header.  Every text in it ends.  0; -MSG_ERROR_FABRIC (no
 * such file, or of another version) with the trail. */
int msg_stats_read_header(int fd, struct msg_stats_header *header);

/* Rows of a table by a header that was checked: `capacity` of them at most, each
 * of `row_bytes`, cut or filled with zeroes to that.  How many, and in *torn
 * (added) how many more that changed each time they were looked at; FABRIC,
 * MEMORY, with the trail. */
int msg_stats_read(int fd, const struct msg_stats_header *header,
	enum msg_stats_table table, void *rows, size_t row_bytes,
	uint32_t capacity, uint32_t *torn);

#endif
