/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look.h - what the calls of <msg/broker.h> share: finding a broker, asking
 * it, telling whether it lives.
 *
 *     look.c        open, read, close: snapshots
 *     look_rows.c   from the file's rows to those of the API
 *     look_find.c   list, probe, and what stands here
 */
#ifndef MSG_API_LOOK_H
#define MSG_API_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/broker.h>

#include "link/shm/control.h"
#include "link/shm/place.h"
#include "link/shm/stats_page.h"

/* Rows as they are read, and as they are shown: the texts of the latter stand
 * in the former. */
struct msg_look_snapshot {
	struct msg_stats_header header;
	struct msg_stats_totals totals;
	struct msg_broker_info info;
#define ROWS(name)                                                             \
	struct msg_stats_##name *name##_rows;                                  \
	struct msg_broker_##name *name##s;                                     \
	uint32_t name##_count;
	ROWS(client)
	ROWS(stream)
	ROWS(publisher)
	ROWS(reader)
	ROWS(feed)
	ROWS(user)
#undef ROWS
};

/* Fill in the rows that are shown.  `before` is the snapshot before, NULL if
 * there is none. */
void msg_look_show(struct msg_look_snapshot *snapshot,
	const struct msg_look_snapshot *before, uint64_t now_ns);

/* Make text of a file fit to be shown; it ends within `bytes`. */
void msg_look_clean(char *text, size_t bytes);

/* The socket of broker `name` (NULL: MSG_BROKER's).  0; ARGUMENT. */
int msg_look_path(const char *name, char path[MSG_PLACE_PATH_BYTES]);

/* Open the counters beside a socket.  A descriptor; DEVICE (there are none),
 * FABRIC (not for us), with the trail. */
int msg_look_file(const char *path);

/* Say Hello at a socket as an onlooker, and with `stats_fd` ask for the
 * counters' descriptor, which is the caller's then.  0; as msg_broker_probe,
 * with the trail. */
int msg_look_ask(const char *path, struct msg_control_welcome *welcome,
	int *stats_fd);

/* Whether the broker that wrote a header lives, and how. */
enum msg_broker_state msg_look_alive(const struct msg_stats_header *header,
	const char *path, uint64_t now_ns);

#endif
