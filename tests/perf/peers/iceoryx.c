/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iceoryx.c - iceoryx 2 through its C binding; see peer.h.
 *
 * Its daemon iox-roudi runs already (peers.sh).  Subscribers hold the publisher
 * back, so nothing is lost; messages are filled and read in place.
 */
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/wait_set.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

#define QUEUE 256 /* The most that it can. */
#define LOOK_MAX 64

struct side {
	const struct peer_plan *plan;
	iox_pub_storage_t publisher_storage;
	iox_sub_storage_t subscriber_storage;
	iox_ws_storage_t set_storage;
	iox_pub_t publisher;
	iox_sub_t subscriber;
	iox_ws_t set;
};

static struct side *open_side(const struct peer_plan *plan, const char *role)
{
	struct side *side = calloc(1, sizeof *side);
	char name[64];

	snprintf(name, sizeof name, "peer-%s-%ld", role, (long)getpid());
	iox_runtime_init(name); /* Ends the process when there is no daemon. */
	if (side)
		side->plan = plan;
	return side;
}

static int publisher_open(const struct peer_plan *plan, void **out)
{
	struct side *side = open_side(plan, "publisher");
	iox_pub_options_t options;

	if (!side)
		return -1;
	iox_pub_options_init(&options);
	options.subscriberTooSlowPolicy =
		ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
	options.nodeName = "peer";
	side->publisher = iox_pub_init(
		&side->publisher_storage, "peer", "messages", "all", &options);
	*out = side;
	return side->publisher ? 0 : -1;
}

static int subscriber_open(
	const struct peer_plan *plan, uint32_t index, void **out)
{
	struct side *side = open_side(plan, "subscriber");
	iox_sub_options_t options;

	(void)index;
	if (!side)
		return -1;
	iox_sub_options_init(&options);
	options.queueCapacity = QUEUE;
	options.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
	options.nodeName = "peer";
	side->subscriber = iox_sub_init(
		&side->subscriber_storage, "peer", "messages", "all", &options);
	side->set = iox_ws_init(&side->set_storage);
	if (!side->subscriber || !side->set ||
		iox_ws_attach_subscriber_state(side->set, side->subscriber,
			SubscriberState_HAS_DATA, 1,
			NULL) != WaitSetResult_SUCCESS)
		return -1;
	*out = side;
	return 0;
}

static int send_one(void *state, uint64_t number, bool more)
{
	struct side *side = state;
	enum iox_AllocationResult result;
	void *chunk;

	(void)more;
	while ((result = iox_pub_loan_chunk(
			side->publisher, &chunk, side->plan->bytes)) ==
		AllocationResult_RUNNING_OUT_OF_CHUNKS)
		sched_yield();
	if (result != AllocationResult_SUCCESS) {
		fprintf(stderr, "iceoryx: loan: %d\n", (int)result);
		return -1;
	}
	peer_fill(chunk, side->plan->bytes, number);
	iox_pub_publish_chunk(side->publisher, chunk);
	return 0;
}

static int take(void *state, struct peer_reader *reader)
{
	struct side *side = state;
	const void *chunk;
	int n = 0;

	while (n < LOOK_MAX && iox_sub_take_chunk(side->subscriber, &chunk) ==
				       ChunkReceiveResult_SUCCESS) {
		peer_read(reader, chunk, side->plan->bytes);
		iox_sub_release_chunk(side->subscriber, chunk);
		n++;
	}
	return n;
}

static int wait_for_more(void *state)
{
	struct timespec limit = {.tv_nsec = PEER_WAIT_MS * 1000000};
	struct side *side = state;
	iox_notification_info_t info;
	uint64_t missed;

	iox_ws_timed_wait(side->set, limit, &info, 1, &missed);
	return 0;
}

static void close_side(void *state)
{
	struct side *side = state;

	if (side->publisher)
		iox_pub_deinit(side->publisher);
	if (side->set) {
		iox_ws_detach_subscriber_state(
			side->set, side->subscriber, SubscriberState_HAS_DATA);
		iox_sub_deinit(side->subscriber);
		iox_ws_deinit(side->set);
	}
	iox_runtime_shutdown();
	free(side);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "iceoryx",
		.holds_back = true,
		.publisher_open = publisher_open,
		.subscriber_open = subscriber_open,
		.send = send_one,
		.take = take,
		.wait = wait_for_more,
		.publisher_close = close_side,
		.subscriber_close = close_side,
	};

	return peer_main(argc, argv, &peer);
}
