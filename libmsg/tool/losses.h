/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * losses.h - what the parts of `msg losses` share.
 *
 *     losses.c          the command: subscribe, and a line for each loss
 *     losses_book.c     who publishers are, and the totals
 *     losses_broker.c   who of this host loses, as its broker counts
 *
 * All of it is bounded, however many publishers come and go or are made up:
 * names are forgotten and asked again, and totals that find no place go into
 * one row for the rest.
 */
#ifndef TOOL_LOSSES_H
#define TOOL_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "json.h"
#include "look.h"

/* ---- who, and what in all ------------------------------------------------ */

#define LOSSES_TOPIC_BYTES 256

/* A publisher, as it says itself. */
struct losses_name {
	uint64_t publisher;
	uint32_t pid;
	char host[72];
	char program[64];
};

/* Totals of a topic, publisher and reason. */
struct losses_total {
	struct losses_name who; /* Host "": not known. */
	enum msg_loss reason;
	uint64_t losses; /* Times. */
	uint64_t lost;   /* Messages. */
	char topic[LOSSES_TOPIC_BYTES];
};

struct losses_book {
	struct msg_directory *directory;
	struct msg_topic_info *infos;
	int info_capacity;
	struct losses_name *names;
	int name_count;
	int name_next; /* The next to be forgotten. */
	uint64_t asked_ns;
	struct losses_total *totals;
	int total_count;
	uint64_t losses;
	uint64_t lost;
};

/* 0, or an error of the library. */
int losses_book_open(
	struct losses_book *book, struct msg_node *node, const char *pattern);
void losses_book_close(struct losses_book *book);

/* Hear who is there: wants to be called about once a second. */
void losses_book_listen(struct losses_book *book);

/* Who that is, looked for if it is not known. */
struct losses_name losses_book_who(
	struct losses_book *book, uint64_t publisher);

void losses_book_add(struct losses_book *book, const struct losses_name *who,
	const char *topic, enum msg_loss reason, uint64_t lost);

/* As a table, with what to do about it; or an object for each. */
void losses_book_show(struct losses_book *book, bool as_json);

/* ---- words --------------------------------------------------------------- */

/* "box:feed[123]", or the publisher's number; safe to show. */
void losses_who_text(const struct losses_name *who, char *text, size_t bytes);
void losses_who_json(struct json *json, const struct losses_name *who);

/* "taken too slowly here"; in one word see delivery_loss. */
const char *losses_reason_text(enum msg_loss reason);

/* Begin a line or an object with the time of day. */
void losses_line_begin(void);
void losses_json_begin(struct json *json, const char *event);
void losses_json_end(struct json *json);

/* ---- the broker's counters ----------------------------------------------- */

/* A subscriber of this host; what it lost is by its own word. */
struct losses_reader {
	uint64_t stream, client;
	uint32_t pid, uid;
	uint64_t lost, lapped;               /* Since it subscribed. */
	uint64_t lost_before, lapped_before; /* Of that, before we looked. */
	bool evicted, evicted_before;
	char program[64];
	char topic[LOSSES_TOPIC_BYTES];
};

struct losses_feed {
	uint64_t id;
	struct msg_broker_feed_counts now, before;
};

struct losses_broker {
	struct look look;
	const char *pattern;
	bool open;
	uint64_t epoch;
	struct losses_reader *readers;
	int reader_count;
	struct losses_feed *feeds;
	int feed_count;
};

/* Look at the usual broker, if one is there; why not, if one is, is said. */
void losses_broker_open(struct losses_broker *broker, const char *pattern);
void losses_broker_close(struct losses_broker *broker);

/* Look again; a line for each subscriber that lost by itself since. */
void losses_broker_look(struct losses_broker *broker, bool as_json);

/* Who lost, and the broker itself; whether anything was lost since open. */
bool losses_broker_show(struct losses_broker *broker, bool as_json);

#endif
