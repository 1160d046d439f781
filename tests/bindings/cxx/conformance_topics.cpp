/* SPDX-License-Identifier: BSD-2-Clause */
/* conformance_topics.cpp - patterns, counters, the directory, the lane. */
#include "conformance.hpp"

#include <unistd.h>

namespace conformance
{

namespace
{

void wildcard()
{
	msg::node node;
	msg::publisher bid(node, "md.acme.bid"), ask(node, "md.acme.ask");
	msg::publisher other(node, "weather.acme.bid");
	msg::subscriber in(node, "md.*.bid"), all(node, "md.>");
	int of_in = 0, bids = 0, asks = 0;
	auto limit = std::chrono::steady_clock::now() + 20s;

	/* A pattern follows what is announced, a second later at most. */
	while (of_in < 3 || bids < 3 || asks < 3) {
		MUST(std::chrono::steady_clock::now() < limit);
		send(bid, "bid");
		send(ask, "ask");
		send(other, "other");
		in.wait(20ms);
		for (msg::message m : in.take()) {
			MUST(m.text() == "bid");
			MUST(std::string(m.topic()) == "md.acme.bid");
			of_in++;
		}
		for (msg::message m : all.take()) {
			std::string topic = m.topic();
			MUST(topic == "md.acme." + std::string(m.text()));
			(m.text() == "bid" ? bids : asks)++;
		}
	}
}

void match()
{
	MUST(msg::topic_match("md.*.bid", "md.acme.bid"));
	MUST(!msg::topic_match("md.*.bid", "md.acme.ask"));
	THROWS(msg::topic_match("md..bid", "md"), MSG_ERROR_ARGUMENT);
}

void counters()
{
	pair_of p("counters");

	for (int i = 0; i < 10; i++)
		MUST(p.publisher.publish("12345"));
	for (int i = 0; i < 10; i++)
		one(p.in);
	MUST(p.publisher.counter(MSG_COUNTER_MESSAGES) == 10);
	MUST(p.publisher.counter(MSG_COUNTER_BYTES) == 50);
	MUST(p.in.counter(MSG_COUNTER_MESSAGES) == 10);
	MUST(p.in.counter(MSG_COUNTER_BYTES) == 50);
	MUST(p.in.counter(MSG_COUNTER_COUNT) == 0 && p.in.counter(-1) == 0);
	MUST(std::string(msg_counter_describe(MSG_COUNTER_LOST)->name) ==
		"lost");
}

void directory()
{
	pair_of p("list.one", 5000);
	msg::publisher second(p.node, "list.two"), third(p.node, "else");
	msg::directory directory(p.node, "list.*");
	auto limit = std::chrono::steady_clock::now() + 10s;

	for (;;) {
		const auto &infos = directory.read(100ms);
		MUST(std::chrono::steady_clock::now() < limit);
		p.node.progress();
		if (infos.size() < 2)
			continue;
		MUST(infos.size() == 2);
		MUST(std::string(infos[0].topic) == "list.one");
		MUST(infos[0].publisher == p.publisher.id());
		MUST(infos[0].message_bytes_max == 5000);
		MUST(infos[0].pid == static_cast<std::uint32_t>(getpid()));
		MUST(std::string(infos[1].topic) == "list.two");
		return;
	}
}

void keep_id(void *context, enum msg_log_level, const char *id, const char *)
{
	*static_cast<std::string *>(context) = id;
}

void lane()
{
	std::string logged;
	msg::node_options options;
	options.log = keep_id;
	options.log_context = &logged;
	msg::node node(options);
	::msg_node_info info = node.describe();

	MUST(logged == "node-open");
	MUST(std::string(info.interface) == "lo" && info.reason[0] != '\0');
	MUST((info.broker[0] != '\0') == brokered);
	MUST((info.broker_pid != 0) == brokered);
	MUST(std::string(msg::version()) == msg_version());
}

} // namespace

void run_topics()
{
	RUN(wildcard);
	RUN(match);
	RUN(counters);
	RUN(directory);
	RUN(lane);
}

} // namespace conformance
