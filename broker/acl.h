/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acl.h - who may subscribe to a topic, and who may publish it.
 *
 * A list of sections, each a pattern with two lists of users and groups.  The
 * first section whose pattern matches a topic decides, alone; if none does,
 * the section [default]; if there is none of that either, nobody may.  Only a
 * file without any section leaves everything open: whoever writes one rule has
 * begun to close doors, and the forgotten ones should not stand open.
 *
 * A right is always that of one concrete topic.  A subscription to a pattern
 * is therefore asked about topic by topic as they appear: what it may not have
 * stays invisible to it.
 *
 * Topics whose readers are the same share a class, and may share memory:
 * whoever may map one of a class may map all.  Topics of different classes
 * must not share any.
 *
 * Filled by config.c, then never changed.  Test: tests/unit/broker/test_acl.c.
 */
#ifndef BROKER_ACL_H
#define BROKER_ACL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "topic/name.h"

#define ACL_SECTIONS_MAX 256u /* [topic …] sections. */
#define ACL_ENTRIES_MAX 64u   /* Of one list. */
/* Classes are 0 to acl_class_count() - 1, which is at most this. */
#define ACL_CLASSES_MAX (ACL_SECTIONS_MAX + 1)

enum acl_right {
	ACL_SUBSCRIBE,
	ACL_PUBLISH,
	ACL_RIGHT_COUNT
};

enum acl_who {
	ACL_ANYBODY,
	ACL_USER,
	ACL_GROUP,
};

struct acl_entry {
	enum acl_who who;
	uint32_t id; /* Uid or gid; 0 with ACL_ANYBODY. */
};

struct acl_list {
	uint32_t count;
	struct acl_entry entries[ACL_ENTRIES_MAX];
};

struct acl_section {
	char pattern[MSG_TOPIC_BYTES_MAX + 1]; /* "" in the default section. */
	struct acl_list lists[ACL_RIGHT_COUNT];
	uint32_t line;      /* Of the file, for show. */
	uint32_t acl_class; /* Set by acl_finish. */
};

struct acl {
	uint32_t count; /* Of sections, without the default one. */
	bool has_default;
	uint32_t class_count; /* Set by acl_finish. */
	struct acl_section sections[ACL_SECTIONS_MAX];
	struct acl_section other; /* [default]. */
};

/* Nothing in it: everybody may do everything.  Needs acl_finish. */
void acl_init(struct acl *acl);

/* Add to a list; twice the same is once.  False when the list is full. */
bool acl_list_add(struct acl_list *list, enum acl_who who, uint32_t id);

/* After the last section: number the classes. */
void acl_finish(struct acl *acl);

/* Whether a user with these groups has a right to a concrete, checked topic.
 * No allocation, no system call; a walk over the sections. */
bool acl_may(const struct acl *acl, const char *topic, enum acl_right right,
	uid_t uid, const gid_t *groups, int group_count);

/* The class of a concrete, checked topic, below acl_class_count(). */
uint32_t acl_class(const struct acl *acl, const char *topic);
uint32_t acl_class_count(const struct acl *acl);

/* Whether everybody may subscribe to topics of a class. */
bool acl_class_is_open(const struct acl *acl, uint32_t acl_class);

#endif
