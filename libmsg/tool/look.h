/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look.h - what `msg info` and `msg top` see of a broker: its publishers and
 * subscribers, a line each, with rates between two looks.
 *
 *     look.c        looking, and who is slow
 *     look_show.c   as tables
 *     look_json.c   as JSON
 */
#ifndef TOOL_LOOK_H
#define TOOL_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/broker.h>

#include "table.h"

/* A publisher or a subscriber of a stream; what is NULL is not known. */
struct look_line {
	const struct msg_broker_stream *stream;
	const struct msg_broker_publisher *publisher; /* One of these two. */
	const struct msg_broker_reader *reader;
	const struct msg_broker_client *client;
	uint64_t count; /* Messages, sent or taken. */
	uint64_t lost;
	double rate;    /* Of both, a second; NAN: not known. */
	double lost_rate;
};

/* What a line is found again by. */
struct look_key {
	uint64_t stream, who;
	bool publishes;
	uint64_t count, lost;
	double rate, lost_rate;
};

struct look {
	struct msg_broker *broker;
	struct look_line *lines;
	int count;
	int capacity;
	struct look_key *before; /* Of the look before. */
	int before_count;
	uint64_t before_ns;
	uint64_t before_epoch;
	double seconds; /* Between what two looks saw; 0: the same. */
};

enum look_sort {
	LOOK_BY_TOPIC,
	LOOK_BY_RATE,
	LOOK_BY_LAG,
	LOOK_BY_HELD,
	LOOK_BY_LOST,
	LOOK_SORT_COUNT
};
extern const char *const look_sort_names[LOOK_SORT_COUNT + 1];

/* Open a broker; NULL: the usual one.  0, or the exit code, with the reason
 * said. */
int look_open(struct look *look, const char *name);
/* The same, saying nothing: 0, or an error of the library. */
int look_try(struct look *look, const char *name);
void look_close(struct look *look);

/* Look again.  0, or the exit code, with the reason said. */
int look_again(struct look *look);

void look_sort(struct look *look, enum look_sort by, bool reverse);

const char *look_state_name(uint32_t state);
/* "evicted", "stuck", "slow", "asleep" or "awake"; "" of a publisher. */
const char *look_line_state(const struct look *look, const struct look_line *line);
bool look_is_slow(const struct look *look, const struct look_line *line);
const char *look_program(const struct look_line *line);
uint32_t look_pid(const struct look_line *line);
uint32_t look_uid(const struct look_line *line);
const char *look_role(const struct look_line *line);
const char *look_policy(uint32_t slow);

/* One line: who it is, how it is. */
void look_headline(const struct look *look, char *text, size_t bytes);
/* The lines; then all else there is to know, for info. */
void look_table(const struct look *look, struct table *table);
void look_details(const struct look *look, FILE *file);

/* One object, without its line's end. */
void look_json(const struct look *look, FILE *file);

#endif
