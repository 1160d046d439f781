/* SPDX-License-Identifier: BSD-2-Clause */
/* honest.c - see honest.h. */
#include "honest.h"

struct honest honest;

void honest_start(uint32_t count, const char *config, uint32_t descriptors)
{
	struct publisher_plan pp = {
		.host = &honest.host,
		.topic = "a.b",
		.bytes_min = 40,
		.bytes_max = 1000,
		.burst = 4,
		.pause_us = 2000,
		.seed = check_seed(),
	};
	struct subscriber_plan sp = {
		.host = &honest.host,
		.topic = "a.b",
		.slow = MSG_SLOW_BLOCK,
		.keep = 4,
		.buffers = 64,
		.seed = check_seed(),
	};

	actors_open();
	host_open(&honest.host, config);
	honest.host.descriptors = descriptors;
	host_start(&honest.host);
	honest.count = count;
	for (uint32_t i = 0; i < count; i++)
		honest.readers[i] = subscriber_start(&sp);
	honest.publisher = publisher_start(&pp);
	AWAIT(20, honest.publisher->published > 100);
	honest.descriptors = process_descriptors(honest.host.broker);
}

void honest_finish(void)
{
	AWAIT(20,
		process_descriptors(honest.host.broker) == honest.descriptors);
	ck_assert(host_is_alive(&honest.host));
	honest.publisher->mode = ACTOR_IDLE;
	sleep_us(20000);
	for (uint32_t i = 0; i < honest.count; i++) {
		AWAIT(20, book_is_level(honest.readers[i], honest.publisher));
		ck_assert_uint_eq(subscriber_lost(honest.readers[i]), 0);
		ck_assert_uint_eq(subscriber_delivered(honest.readers[i]),
			honest.publisher->published);
		actor_stop(honest.readers[i]);
	}
	actor_stop(honest.publisher);
	host_close(&honest.host);
}
