/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publisher.c - the publisher's front door: checks and defaults.  The work is
 * engine/transmit's; the telling of others, topic/announcer's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "api/node.h"
#include "api/options.h"
#include "base/trail.h"
#include "engine/transmit.h"
#include "protocol/frame.h"
#include "topic/name.h"

#define LOAN_COUNT_DEFAULT 256u
#define LOAN_MEMORY_DEFAULT (32u << 20)
#define LINGER_NS MSG_NS_PER_S

struct msg_publisher {
	struct msg_node *node;
	struct msg_link *link;
	struct msg_transmitter transmitter;
	struct msg_announce_source source;
	uint64_t id;
};

/* Check and complete. */
static int complete(struct msg_publisher_options *o, uint32_t frame_bytes)
{
	uint32_t body = frame_bytes - MSG_FRAME_HEADER_BYTES;
	uint32_t loans;
	int result;

	if (!o->topic)
		return msg_fail(
			MSG_ERROR_ARGUMENT, "topic is missing; set it");
	result = msg_name_check_topic(o->topic);
	if (result == 0)
		result = msg_options_number(&o->message_bytes_max,
			"message_bytes_max", NULL, body, 1,
			MSG_MESSAGE_BYTES_MAX);
	if (result < 0)
		return result;
	loans = LOAN_MEMORY_DEFAULT / o->message_bytes_max;
	if (loans > LOAN_COUNT_DEFAULT)
		loans = LOAN_COUNT_DEFAULT;
	return msg_options_number(&o->loan_count_max, "loan_count_max", NULL,
		loans, 2, 65536);
}

/* A new incarnation: 64 random bits, the low half of which is in each frame. */
static int draw_incarnation(uint64_t *incarnation)
{
	do {
		if (getrandom(incarnation, sizeof *incarnation, 0) !=
			(ssize_t)sizeof *incarnation)
			return msg_fail(MSG_ERROR_FABRIC,
				"no random numbers: %s", strerror(errno));
	} while ((uint32_t)*incarnation == 0);
	return 0;
}

static void describe(struct msg_publisher *p,
	const struct msg_publisher_options *o, uint64_t incarnation)
{
	struct msg_announcement *text = &p->source.text;

	snprintf(text->topic, sizeof text->topic, "%s", o->topic);
	snprintf(text->host, sizeof text->host, "%s", p->node->host);
	snprintf(text->program, sizeof text->program, "%.63s",
		program_invocation_short_name);
	text->incarnation = incarnation;
	text->publisher = (uint32_t)incarnation;
	text->pid = (uint32_t)getpid();
	text->uid = (uint32_t)getuid();
	text->message_bytes_max = o->message_bytes_max;
	text->frame_bytes = p->node->domain->frame_bytes;
	text->period_ms = p->node->announce_ms;
	p->source.sent = &p->transmitter.lender.sent;
	p->source.group =
		msg_name_group(o->topic, p->node->groups.count);
	p->id = text->publisher;
}

static int connect_link(struct msg_publisher *p)
{
	struct msg_transmitter *t = &p->transmitter;
	struct msg_link_options options = {
		.memory = t->lender.pool.region.base,
		.memory_bytes = t->lender.pool.region.bytes,
		.send_count = msg_transmitter_depth(t),
	};
	uint32_t handle;
	int result = msg_node_link_open(p->node, &options, &p->link);

	if (result < 0)
		return result;
	result = msg_groups_join(&p->node->groups, p->link, p->source.group,
		MSG_LINK_JOIN_SEND, p->source.text.topic, &handle);
	if (result < 0) {
		msg_node_link_close(p->node, p->link);
		return result;
	}
	return msg_transmitter_start(t, p->link, handle);
}

int msg_publisher_open(struct msg_node *node,
	const struct msg_publisher_options *options,
	struct msg_publisher **out)
{
	struct msg_transmit_options transmit = {0};
	struct msg_publisher_options o;
	struct msg_publisher *p;
	uint64_t incarnation;
	int result;

	if (!node || !options || !out)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"node, options and publisher must not be NULL");
	result = msg_options_copy(
		&o, sizeof o, options, "MSG_PUBLISHER_OPTIONS");
	if (result == 0)
		result = complete(&o, node->domain->frame_bytes);
	if (result == 0)
		result = draw_incarnation(&incarnation);
	if (result < 0)
		return result;
	p = calloc(1, sizeof *p);
	if (!p)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a publisher");
	p->node = node;
	describe(p, &o, incarnation);
	transmit.frame_bytes = node->domain->frame_bytes;
	transmit.message_bytes_max = o.message_bytes_max;
	transmit.loan_count_max = o.loan_count_max;
	transmit.tag = msg_name_tag(o.topic);
	transmit.publisher = p->source.text.publisher;
	result = msg_transmitter_open(&p->transmitter, &transmit);
	if (result < 0)
		goto fail;
	result = connect_link(p);
	if (result < 0)
		goto fail_transmitter;
	result = msg_announcer_add(
		&node->announcer, node->domain, &p->source);
	if (result < 0)
		goto fail_link;
	*out = p;
	return 0;
fail_link:
	msg_node_link_close(node, p->link);
fail_transmitter:
	msg_transmitter_close(&p->transmitter);
fail:
	free(p);
	return result;
}

int msg_publisher_loan(
	struct msg_publisher *p, size_t bytes, struct msg_loan *loan)
{
	return msg_transmitter_lend(&p->transmitter, bytes, loan);
}

int msg_publisher_send(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	int result = msg_transmitter_send(&p->transmitter, loan, bytes);

	msg_announcer_tick(&p->node->announcer);
	return result;
}

int msg_publisher_queue(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	return msg_transmitter_queue(&p->transmitter, loan, bytes);
}

int msg_publisher_flush(struct msg_publisher *p)
{
	int result = msg_transmitter_flush(&p->transmitter);

	msg_announcer_tick(&p->node->announcer);
	return result;
}

void msg_publisher_abandon(struct msg_publisher *p, struct msg_loan *loan)
{
	msg_transmitter_abandon(&p->transmitter, loan);
}

int msg_publish(struct msg_publisher *p, const void *data, size_t bytes)
{
	struct msg_loan loan;
	int result;

	if (!data && bytes > 0)
		return -MSG_ERROR_ARGUMENT;
	result = msg_publisher_loan(p, bytes, &loan);
	if (result < 0)
		return result;
	if (bytes > 0)
		memcpy(loan.data, data, bytes);
	return msg_publisher_send(p, &loan, bytes);
}

uint64_t msg_publisher_id(const struct msg_publisher *p)
{
	return p->id;
}

uint64_t msg_publisher_counter(const struct msg_publisher *p, int index)
{
	if (index < 0 || index >= MSG_COUNTER_COUNT)
		return 0;
	return msg_counter_get(&p->transmitter.lender.counters[index]);
}

int msg_publisher_close(struct msg_publisher *p)
{
	if (!p)
		return 0;
	if (p->transmitter.lender.pool.loan_count > 0)
		return msg_fail(MSG_ERROR_BUSY,
			"%u loans of '%s' are out; send or abandon them first",
			p->transmitter.lender.pool.loan_count, p->source.text.topic);
	msg_transmitter_linger(&p->transmitter, LINGER_NS);
	msg_announcer_remove(
		&p->node->announcer, &p->source, MSG_ANNOUNCER_GOODBYES);
	msg_node_link_close(p->node, p->link);
	msg_transmitter_close(&p->transmitter);
	free(p);
	return 0;
}
