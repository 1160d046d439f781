/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cost.cpp - the loops of cost_c.c written with msg.hpp, and a program that runs
 * the ones or the others: callgrind counts them.
 *
 *     MSG_MODULE_DIR=... cost c|cxx BATCH COUNT
 *
 * Every run makes the same calls of the library in the same order, so that only
 * what stands around them differs.  Neighbour: cost.sh.
 */
#include "cost.h"

#include <msg/msg.hpp>

#include <cstdio>
#include <cstdlib>

void cost_cxx_publish(msg::publisher &publisher, int batch);
void cost_cxx_receive(msg::subscriber &subscriber, int batch);

COST_APART void cost_cxx_publish(msg::publisher &publisher, int batch)
{
	for (int i = 1; i <= batch; i++) {
		msg::loan loan = publisher.loan(COST_BYTES);
		if (!loan)
			cost_broken("loan");
		*static_cast<std::uint64_t *>(loan.data()) =
			static_cast<std::uint64_t>(i);
		if (i == batch)
			loan.send(COST_BYTES);
		else
			loan.queue(COST_BYTES);
	}
}

COST_APART void cost_cxx_receive(msg::subscriber &subscriber, int batch)
{
	msg::views<COST_BATCH_MAX> views = subscriber.take<COST_BATCH_MAX>();
	std::uint64_t sum = 0;

	for (msg::message m : views)
		sum += *static_cast<const std::uint64_t *>(m.data()) +
			m.lost_before();
	if (sum != cost_sum(batch))
		cost_broken("take");
}

void cost_broken(const char *what)
{
	std::fprintf(stderr, "cost: %s: %s\n", what, msg_error_text());
	std::exit(1);
}

int main(int argc, char **argv)
{
	bool in_c = argc > 1 && std::strcmp(argv[1], "c") == 0;
	int batch = argc > 3 ? std::atoi(argv[2]) : 0;
	int count = argc > 3 ? std::atoi(argv[3]) : 0;

	if (batch < 1 || batch > COST_BATCH_MAX || count < batch) {
		std::fprintf(stderr, "usage: %s c|cxx BATCH COUNT\n", argv[0]);
		return 2;
	}
	msg::node_options options;
	options.announce_ms = 60000; /* The once-a-second is not counted. */
	msg::node node(options);
	msg::subscriber_options in;
	in.topic = "perf.cost";
	in.buffer_count = 256;
	msg::subscriber subscriber(node, in);
	msg::publisher publisher(node, "perf.cost");

	cost_warm(publisher.get(), subscriber.get(), batch);
	for (int i = 0; i < count / batch; i++) {
		if (in_c) {
			cost_c_publish(publisher.get(), batch);
			cost_c_receive(subscriber.get(), batch);
		} else {
			cost_cxx_publish(publisher, batch);
			cost_cxx_receive(subscriber, batch);
		}
	}
	return 0;
}
