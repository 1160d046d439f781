/* SPDX-License-Identifier: BSD-2-Clause */
/* cost_c.c - publish and take, as in C; cost.cpp does the same with msg.hpp. */
#include "cost.h"

#define WARM 2000

static inline __attribute__((always_inline)) void publish(
	struct msg_publisher *publisher, int batch)
{
	for (int i = 1; i <= batch; i++) {
		struct msg_loan loan;
		int result;

		if (msg_publisher_loan(publisher, COST_BYTES, &loan) < 0)
			cost_broken("loan");
		*(uint64_t *)loan.data = (uint64_t)i;
		if (i == batch)
			result = msg_publisher_send(
				publisher, &loan, COST_BYTES);
		else
			result = msg_publisher_queue(
				publisher, &loan, COST_BYTES);
		if (result < 0)
			cost_broken("send");
	}
}

static inline __attribute__((always_inline)) void receive(
	struct msg_subscriber *subscriber, int batch)
{
	struct msg_view views[COST_BATCH_MAX];
	int n = msg_subscriber_take(subscriber, views, COST_BATCH_MAX);
	uint64_t sum = 0;

	if (n < 0)
		cost_broken("take");
	for (int i = 0; i < n; i++)
		/* As everybody has to look who reads a struct. */
		if (views[i].bytes == COST_BYTES && views[i].segment_count == 1)
			sum += *(const uint64_t *)views[i].data +
			       views[i].lost_before;
	if (sum != cost_sum(batch))
		cost_broken("take");
	msg_subscriber_release(subscriber, views, n);
}

COST_APART void cost_c_publish(struct msg_publisher *publisher, int batch)
{
	publish(publisher, batch);
}

COST_APART void cost_c_receive(struct msg_subscriber *subscriber, int batch)
{
	receive(subscriber, batch);
}

void cost_warm(struct msg_publisher *publisher,
	struct msg_subscriber *subscriber, int batch)
{
	for (int i = 0; i < WARM; i++) {
		publish(publisher, batch);
		receive(subscriber, batch);
	}
}
