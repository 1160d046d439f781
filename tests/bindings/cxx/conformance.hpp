/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conformance.hpp - what the lines of conformance.list stand on; a file
 * conformance_ROOM.cpp has those of one subject, and runs them in order.
 */
#ifndef TESTS_BINDINGS_CXX_CONFORMANCE_HPP
#define TESTS_BINDINGS_CXX_CONFORMANCE_HPP

#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "must.hpp"

namespace conformance
{

using namespace std::chrono_literals;

/* Whether nodes go through a broker. */
extern bool brokered;

/* A node, a subscriber and a publisher of one topic. */
struct pair_of {
	explicit pair_of(const char *topic, std::uint32_t bytes_max = 0)
		: out(options(topic, bytes_max)), in(node, topic),
		  publisher(node, out)
	{
	}

	static msg::publisher_options options(
		const char *topic, std::uint32_t bytes_max)
	{
		msg::publisher_options o;
		o.topic = topic;
		o.message_bytes_max = bytes_max;
		return o;
	}

	msg::publisher_options out;
	msg::node node;
	msg::subscriber in;
	msg::publisher publisher;
};

/* A node that no broker stands behind, and that announces often. */
msg::node outside();

/* The next message. */
msg::view one(msg::subscriber &in);
/* None comes. */
bool silent(msg::subscriber &in);

/* Publish, and wait for a buffer if need be: what travels through a broker may
 * have to wait for the network. */
void send(msg::publisher &publisher, std::string_view text);

/* Messages, and views held; sleeping, losses and events; patterns, counters and
 * the directory; closing, and what is refused. */
void run_messages();
void run_events();
void run_topics();
void run_closing();

} // namespace conformance

#define RUN(name)                                                              \
	do {                                                                   \
		name();                                                        \
		std::printf("ok %s\n", #name);                                 \
	} while (0)

#endif
