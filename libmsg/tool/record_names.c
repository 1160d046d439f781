/* SPDX-License-Identifier: BSD-2-Clause */
/* record_names.c - who a publisher is; see record_names.h. */
#include "record_names.h"

#include <stdlib.h>

#include "pace.h"

#define INFOS_BEGIN 64
#define INFOS_MAX 65536
/* The list is not read again before it can have changed. */
#define READ_NS 1000000u
/* A name is waited for that long, and not again within ten times that. */
#define WAIT_NS 20000000u
/* Who was there before us says so within a second, and is waited for. */
#define FIRST_NS 1500000000u

int record_names_open(struct record_names *names, struct msg_node *node)
{
	*names = (struct record_names){
		.infos = calloc(INFOS_BEGIN, sizeof *names->infos),
		.capacity = INFOS_BEGIN,
		.first_ns = clock_ns() + FIRST_NS,
	};
	if (!names->infos)
		return -MSG_ERROR_MEMORY;
	return msg_directory_open(node, NULL, &names->directory);
}

void record_names_close(struct record_names *names)
{
	msg_directory_close(names->directory);
	free(names->infos);
	*names = (struct record_names){0};
}

static void listen_for(struct record_names *names, int64_t wait_ns)
{
	int known = msg_directory_read(
		names->directory, wait_ns, names->infos, names->capacity);

	if (known > names->capacity && known <= INFOS_MAX) {
		struct msg_topic_info *more =
			realloc(names->infos, (size_t)known * sizeof *more);

		if (more) {
			names->infos = more;
			names->capacity = known;
			known = msg_directory_read(
				names->directory, 0, more, known);
		}
	}
	names->count = known < 0                 ? 0
		       : known < names->capacity ? known
						 : names->capacity;
	names->read_ns = clock_ns();
}

static const struct msg_topic_info *find(
	const struct record_names *names, uint64_t publisher)
{
	for (int i = 0; i < names->count; i++)
		if (names->infos[i].publisher == publisher)
			return &names->infos[i];
	return NULL;
}

const struct msg_topic_info *record_names_find(struct record_names *names,
	uint64_t publisher, struct record_queue *queue)
{
	const struct msg_topic_info *info = find(names, publisher);
	uint64_t now = clock_ns();
	uint64_t until = now + WAIT_NS;

	if (!info && now - names->read_ns >= READ_NS) {
		listen_for(names, 0);
		info = find(names, publisher);
	}
	if (info || (now >= names->first_ns &&
			    now - names->asked_ns < 10 * (uint64_t)WAIT_NS))
		return info;
	if (until < names->first_ns)
		until = names->first_ns;
	do {
		listen_for(names, WAIT_NS / 4);
		info = find(names, publisher);
	} while (!info && clock_ns() < until && !record_queue_presses(queue));
	if (!info)
		names->asked_ns = clock_ns();
	return info;
}

bool record_names_there(const struct record_names *names, uint64_t publisher)
{
	return find(names, publisher) != NULL;
}
