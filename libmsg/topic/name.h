/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * name.h - topic names and patterns: the grammar, matching, tag and group.
 *
 * The grammar is that of NATS subjects (see msg.h).  A topic's tag is the low
 * half of its hash and stands in every frame; its group is a place in the
 * node's range, from the high half, so that the two do not correlate.
 * Test: tests/unit/topic/test_name.c.
 */
#ifndef MSG_TOPIC_NAME_H
#define MSG_TOPIC_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define MSG_TOPIC_BYTES_MAX 255u

/* 0, or -MSG_ERROR_ARGUMENT with the reason on the trail ("topic 'a..b' has an
 * empty token at byte 2; …").  A pattern may hold wildcards, a topic may not. */
int msg_name_check_topic(const char *topic);
int msg_name_check_pattern(const char *pattern);

/* The same without words: the trail stays as it is.  For what comes from the
 * wire, where a malformed name is a fact to count and not a failed call. */
bool msg_name_is_topic(const char *topic);

/* Whether a checked pattern holds wildcards. */
bool msg_name_is_pattern(const char *pattern);

/* Whether a checked pattern matches a checked topic. */
bool msg_name_match(const char *pattern, const char *topic);

uint32_t msg_name_tag(const char *topic);

/* Which group of `count`: 0 is the directory's when there are others, so
 * topics take 1 to count - 1; with a count of 1 everything shares group 0. */
uint32_t msg_name_group(const char *topic, uint32_t count);

#endif
