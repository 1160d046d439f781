/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cost.cpp - the loops of cost_c.c written with msg.hpp and with type.hpp, and a
 * program that runs the ones or the others: callgrind counts them.
 *
 *     MSG_MODULE_DIR=... cost c|cxx|typed BATCH COUNT
 *
 * Every run makes the same calls of the library in the same order, so that only
 * what stands around them differs.  Neighbour: cost.sh.
 */
#include "cost.h"

#include <msg/type.hpp>

#include <cstdio>
#include <cstdlib>

struct cost_record {
	std::uint64_t words[COST_BYTES / 8];
};

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
		if (const cost_record *record = m.get_if<cost_record>())
			sum += record->words[0] + m.lost_before();
	if (sum != cost_sum(batch))
		cost_broken("take");
}

MSG_CXX_STRUCT(cost_record, "cost_record", MSG_CXX_FIELD(cost_record, words));

using typed_out = msg::typed_publisher<cost_record>;
using typed_in = msg::typed_subscriber<cost_record>;

void cost_typed_publish(typed_out &publisher, int batch);
void cost_typed_receive(typed_in &subscriber, int batch);

COST_APART void cost_typed_publish(typed_out &publisher, int batch)
{
	for (int i = 1; i <= batch; i++) {
		auto loan = publisher.loan();
		if (!loan)
			cost_broken("loan");
		loan->words[0] = static_cast<std::uint64_t>(i);
		if (i == batch)
			loan.send();
		else
			loan.queue();
	}
}

COST_APART void cost_typed_receive(typed_in &subscriber, int batch)
{
	msg::views<COST_BATCH_MAX> views = subscriber.take<COST_BATCH_MAX>();
	std::uint64_t sum = 0;

	for (msg::message m : views)
		if (const cost_record *record = subscriber.get(m))
			sum += record->words[0] + m.lost_before();
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
	bool typed = argc > 1 && std::strcmp(argv[1], "typed") == 0;
	int batch = argc > 3 ? std::atoi(argv[2]) : 0;
	int count = argc > 3 ? std::atoi(argv[3]) : 0;

	if (batch < 1 || batch > COST_BATCH_MAX || count < batch) {
		std::fprintf(stderr, "usage: %s c|cxx|typed BATCH COUNT\n", argv[0]);
		return 2;
	}
	msg::node_options options;
	options.announce_ms = 60000; /* The once-a-second is not counted. */
	msg::node node(options);
	msg::subscriber_options in;
	in.topic = "perf.cost";
	in.buffer_count = 256;
	/* All of them with the type, so that only the calls differ. */
	typed_in typed_subscriber(node, in);
	typed_out typed_publisher(node, "perf.cost");
	msg::subscriber &subscriber = typed_subscriber.untyped();
	msg::publisher &publisher = typed_publisher.untyped();

	cost_warm(publisher.get(), subscriber.get(), batch);
	for (int i = 0; i < count / batch; i++) {
		if (in_c) {
			cost_c_publish(publisher.get(), batch);
			cost_c_receive(subscriber.get(), batch);
		} else if (typed) {
			cost_typed_publish(typed_publisher, batch);
			cost_typed_receive(typed_subscriber, batch);
		} else {
			cost_cxx_publish(publisher, batch);
			cost_cxx_receive(subscriber, batch);
		}
	}
	return 0;
}
