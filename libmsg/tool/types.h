/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * types.h - which publisher's messages are of which type.
 *
 * A thread listens to the directory and fetches each type that is named there,
 * once; whoever shows messages asks here and never waits.  A publisher that has
 * not announced itself yet is unknown; after a while it counts as one without a
 * type, until it does.
 */
#ifndef TOOL_TYPES_H
#define TOOL_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/type.h>

struct types;

enum types_answer {
	TYPES_UNKNOWN, /* Ask again. */
	TYPES_NONE,    /* It names no type, or one that cannot be had. */
	TYPES_FOUND,
};

/* What is known of a type. */
struct types_entry {
	uint64_t hash;
	struct msg_type *type;     /* NULL: it cannot be had. */
	struct msg_filter *filter; /* NULL: none, or not of this type. */
};

/* Listen for topics of these patterns, which stay the caller's; `filter` is made
 * for each type, or NULL.  NULL on failure, said by complain. */
struct types *types_open(struct msg_node *node, char **patterns, int count,
	const char *filter);
void types_close(struct types *types);

/* Becomes readable when there may be another answer; types_hear makes it
 * unreadable again. */
int types_fd(const struct types *types);
void types_hear(struct types *types);

/* *entry stays until close. */
enum types_answer types_find(struct types *types, const char *topic,
	uint64_t publisher, const struct types_entry **entry);

/* Why the filter does not fit a type that was found; "": it does so far. */
const char *types_complaint(struct types *types);

#endif
