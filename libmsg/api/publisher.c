/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publisher.c - the publisher's front door: checks, defaults, and the calls.  The
 * work is engine/transmit's, and what that stands on publisher_lane.c's; or all of
 * it is topic/publication's, through the broker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "api/delivery.h"
#include "api/options.h"
#include "api/publisher.h"
#include "base/probe.h"
#include "base/trail.h"
#include "protocol/frame.h"
#include "protocol/greeting.h"
#include "topic/name.h"

#define LOAN_COUNT_DEFAULT 256u
#define LOAN_MEMORY_DEFAULT (32u << 20)

/* Check and complete. */
static int complete(
	struct msg_publisher_options *o, const struct msg_node *node)
{
	uint32_t bytes = msg_node_frame_bytes(node) - MSG_FRAME_HEADER_BYTES;
	uint32_t most = LOAN_COUNT_DEFAULT;
	uint32_t loans;
	int result;

	if (msg_node_is_brokered(node)) {
		bytes = node->broker.publish_message_bytes_max;
		most = node->broker.publish_loan_count_max;
	}
	/* No path bounds those frames, whoever sends them. */
	if (o->reliability == MSG_RELIABILITY_RC)
		bytes = MSG_CONNECTED_FRAME_BYTES - MSG_FRAME_HEADER_BYTES;
	if (!o->topic)
		return msg_fail(
			MSG_ERROR_ARGUMENT, "topic is missing; set it");
	result = msg_name_check_topic(o->topic);
	if (result == 0)
		result = msg_delivery_publisher(o, msg_node_delivery(node));
	if (result == 0)
		result = msg_options_number(&o->message_bytes_max,
			"message_bytes_max", NULL, bytes, 1,
			MSG_MESSAGE_BYTES_MAX);
	if (result < 0)
		return result;
	loans = LOAN_MEMORY_DEFAULT / o->message_bytes_max;
	if (loans > most)
		loans = most;
	return msg_options_number(&o->loan_count_max, "loan_count_max", NULL,
		loans, 2, 65536);
}

int publisher_draw(uint64_t *incarnation)
{
	do {
		if (getrandom(incarnation, sizeof *incarnation, 0) !=
			(ssize_t)sizeof *incarnation)
			return msg_fail(MSG_ERROR_FABRIC,
				"no random numbers: %s", strerror(errno));
	} while ((uint32_t)*incarnation == 0);
	return 0;
}

/* The same of the broker. */
static void keep_at_broker(struct msg_publisher *p,
	const struct msg_publisher_options *o,
	struct msg_publication_options *options)
{
	p->repair_ns = o->linger_ms * MSG_NS_PER_MS;
	options->reliability = o->reliability;
	options->flow = o->flow;
	options->flow_count = o->flow_count;
	options->history_bytes = o->history_bytes;
	options->history_ms = o->history_ms;
	options->give_up_ms = o->give_up_ms;
	options->linger_ms = o->linger_ms;
	options->large_bytes_max = (uint32_t)o->large_bytes_max;
	options->large_memory_bytes = o->large_memory_bytes;
}

static int open_on_broker(struct msg_publisher *p,
	const struct msg_publisher_options *o, uint64_t incarnation)
{
	struct msg_publication_options options = {
		.path = p->node->broker_path,
		.topic = o->topic,
		.incarnation = incarnation,
		.message_bytes_max = o->message_bytes_max,
		.loan_count_max = o->loan_count_max,
		.period_ms = p->node->announce_ms,
	};
	int result;

	if (o->reliability >= MSG_RELIABILITY_RELIABLE)
		keep_at_broker(p, o, &options);
	if (p->type) {
		options.type_name = p->type->name;
		options.type_encoding = p->type->encoding;
		options.type_hash = p->type->hash;
		options.schema = p->type->schema_bytes;
		options.schema_bytes = (uint32_t)p->type->schema_size;
	}
	p->publication = calloc(1, sizeof *p->publication);
	if (!p->publication)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a publisher");
	result = msg_publication_open(p->publication, &options);
	if (result < 0) {
		free(p->publication);
		return result;
	}
	msg_node_adopt(p->node);
	msg_attendant_add(&p->node->attendant, &p->publication->attended);
	return 0;
}

int msg_publisher_open(struct msg_node *node,
	const struct msg_publisher_options *options,
	struct msg_publisher **out)
{
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
		result = complete(&o, node);
	if (result == 0)
		result = publisher_draw(&incarnation);
	if (result < 0)
		return result;
	p = calloc(1, sizeof *p);
	if (!p)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a publisher");
	p->node = node;
	p->id = (uint32_t)incarnation;
	p->type = msg_schema_type_keep(o.type);
	result = msg_node_is_brokered(node)
			 ? open_on_broker(p, &o, incarnation)
			 : publisher_open_lane(p, &o, incarnation);
	if (result < 0) {
		msg_schema_type_drop(p->type);
		free(p);
		return result;
	}
	*out = p;
	return 0;
}

int msg_publisher_loan(
	struct msg_publisher *p, size_t bytes, struct msg_loan *loan)
{
	if (!p->publication)
		return msg_transmitter_lend(&p->transmitter, bytes, loan);
	return msg_publication_lend(p->publication, bytes, loan);
}

/* Apart, so that who sends to a broker saves no registers. */
static __attribute__((noinline)) int send_on_lane(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	int result = msg_transmitter_send(&p->transmitter, loan, bytes);

	msg_announcer_tick(&p->node->announcer);
	return result;
}

int msg_publisher_send(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	MSG_PROBE2(send, p->id, bytes);
	if (p->publication)
		return msg_publication_send(p->publication, loan, bytes);
	return send_on_lane(p, loan, bytes);
}

int msg_publisher_queue(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	MSG_PROBE2(queue, p->id, bytes);
	if (!p->publication)
		return msg_transmitter_queue(&p->transmitter, loan, bytes);
	return msg_publication_queue(p->publication, loan, bytes);
}

int msg_publisher_flush(struct msg_publisher *p)
{
	int result;

	if (p->publication) {
		msg_publication_flush(p->publication);
		return 0;
	}
	result = msg_transmitter_flush(&p->transmitter);
	msg_announcer_tick(&p->node->announcer);
	return result;
}

void msg_publisher_abandon(struct msg_publisher *p, struct msg_loan *loan)
{
	if (p->publication)
		msg_publication_abandon(p->publication, loan);
	else
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
	const msg_counter_t *counters = p->publication
						? p->publication->counters
						: p->transmitter.counters;

	if (index < 0 || index >= MSG_COUNTER_COUNT)
		return 0;
	return msg_counter_get(&counters[index]);
}

int msg_publisher_close(struct msg_publisher *p)
{
	uint32_t loans;

	if (!p)
		return 0;
	loans = p->publication ? msg_publication_loans(p->publication)
			       : msg_lender_loans(&p->transmitter.lender);
	if (loans > 0)
		return msg_fail(MSG_ERROR_BUSY,
			"%u loans of '%s' are out; send or abandon them first",
			loans,
			p->publication ? p->publication->said.topic
				       : p->source.text.topic);
	if (p->publication) {
		msg_attendant_remove(
			&p->node->attendant, &p->publication->attended);
		msg_publication_close(p->publication,
			p->repair_ns > PUBLISHER_LINGER_NS
				? p->repair_ns
				: PUBLISHER_LINGER_NS);
		free(p->publication);
		msg_node_release(p->node);
	} else {
		publisher_close_lane(p);
	}
	msg_schema_type_drop(p->type);
	free(p);
	return 0;
}
