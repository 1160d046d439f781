/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conformance.cpp - msg.hpp against conformance.list.
 *
 *     conformance direct|broker
 *
 * One function for each line of the list, of the same name, in a file of its
 * subject; conformance.sh says where it runs.  The first thing that does not hold
 * ends the program.
 */
#include "conformance.hpp"

namespace conformance
{

bool brokered;

msg::node outside()
{
	msg::node_options options;

	options.broker = MSG_BROKER_NEVER;
	options.announce_ms = 20;
	options.flags = MSG_NODE_PROGRESS_THREAD;
	return msg::node(options);
}

msg::view one(msg::subscriber &in)
{
	auto limit = std::chrono::steady_clock::now() + 10s;

	for (;;) {
		msg::view view = in.take_one();
		if (view)
			return view;
		MUST(std::chrono::steady_clock::now() < limit);
		in.wait(100ms);
	}
}

bool silent(msg::subscriber &in)
{
	auto limit = std::chrono::steady_clock::now() + 50ms;

	while (std::chrono::steady_clock::now() < limit) {
		if (in.take_one())
			return false;
		in.wait(10ms);
	}
	return true;
}

void send(msg::publisher &publisher, std::string_view text)
{
	auto limit = std::chrono::steady_clock::now() + 10s;

	while (!publisher.publish(text)) {
		MUST(std::chrono::steady_clock::now() < limit);
		std::this_thread::sleep_for(100us);
	}
}

} // namespace conformance

int main(int argc, char **argv)
{
	conformance::brokered = argc > 1 && std::string(argv[1]) == "broker";
	std::setvbuf(stdout, nullptr, _IOLBF, 0);
	try {
		conformance::run_messages();
		conformance::run_events();
		conformance::run_topics();
		conformance::run_closing();
	} catch (const std::exception &e) {
		std::printf("FAIL thrown: %s\n", e.what());
		return 1;
	}
	return 0;
}
