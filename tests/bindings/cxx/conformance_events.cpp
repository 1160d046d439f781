/* SPDX-License-Identifier: BSD-2-Clause */
/* conformance_events.cpp - sleeping and waking, losses, events. */
#include "conformance.hpp"

#include <poll.h>

namespace conformance
{

namespace
{

/* ---- sleeping ---------------------------------------------------------- */

/* Asleep on the descriptor until a message comes; false: none did. */
bool asleep(msg::subscriber &in, msg::view &view, int timeout_ms)
{
	::pollfd wake = {in.fd(), POLLIN, 0};

	/* A wake for an announcement brings nothing. */
	for (int i = 0; i < 100000; i++) {
		view = in.take_one();
		if (view)
			return true;
		if (in.arm() && ::poll(&wake, 1, timeout_ms) == 0)
			return false;
	}
	MUST("it sleeps" == nullptr);
	return false;
}

void wake()
{
	pair_of p("wake");
	msg::view view;

	MUST(!asleep(p.in, view, 20));
	for (std::uint64_t i = 0; i < 20; i++) {
		/* As far as poll, then the message comes. */
		std::thread sender([&p] {
			std::this_thread::sleep_for(2ms);
			MUST(p.publisher.publish("x"));
		});
		MUST(asleep(p.in, view, 5000));
		MUST(view.sequence() == i);
		sender.join();
	}
}

void timeout()
{
	pair_of p("timeout");
	auto start = std::chrono::steady_clock::now();

	/* A wake without a message is allowed, so it may take a few. */
	while (p.in.wait(20ms))
		MUST(!p.in.take_one());
	MUST(std::chrono::steady_clock::now() - start >= 20ms);
	MUST(!p.in.wait(-1s));
}

/* ---- loss and events --------------------------------------------------- */

/* Of five messages the second and third are above what `in` takes. */
void drop_two(msg::publisher &publisher)
{
	std::string large(100000, 'x');

	MUST(publisher.publish("a"));
	MUST(publisher.publish(large));
	MUST(publisher.publish(large));
	MUST(publisher.publish("b"));
}

msg::subscriber_options small(const char *topic)
{
	msg::subscriber_options options;

	options.topic = topic;
	options.message_bytes_max = 20000;
	return options;
}

void loss()
{
	msg::node node;
	msg::subscriber in(node, small("loss"));
	msg::publisher publisher(node, pair_of::options("loss", 100000));

	drop_two(publisher);
	MUST(one(in).lost_before() == 0);
	msg::view view = one(in);
	MUST(view.text() == "b" && view.lost_before() == 2);
	MUST(view.sequence() == 3);
	MUST(in.counter(MSG_COUNTER_LOST) == 2);
	MUST(in.counter(MSG_COUNTER_TOO_LARGE) == 2);
}

/* Straight from the lane what is too large is lost; through a broker, what is
 * not taken before its publisher needs the memory again. */
void loss_event()
{
	msg::publisher_options out = pair_of::options("loss_event", 100000);
	out.loan_count_max = 16;
	msg::subscriber_options options = small("loss_event");
	options.events = 1;
	msg::node node;
	msg::subscriber in(node, options);
	msg::publisher publisher(node, out);
	std::uint64_t lost = 0, taken = 0, sent = 0;

	if (brokered) {
		/* The broker reads along, and is not to be lapped. */
		for (; sent < 2000; sent++)
			send(publisher, std::string(15000, 'x'));
	} else {
		drop_two(publisher);
		sent = 4;
	}
	while (lost + taken < sent) {
		msg::view view = one(in);
		if (view.event() == MSG_EVENT_LOST) {
			MUST(view.bytes() == 0 && view.data() == nullptr);
			MUST(view.reason() == (brokered ? MSG_LOSS_LAPPED
							: MSG_LOSS_TOO_LARGE));
			MUST(view.lost_before() > 0);
			lost += view.lost_before();
		} else if (view.event() == MSG_EVENT_MESSAGE) {
			lost += view.lost_before();
			MUST(view.sequence() == lost + taken);
			taken++;
		}
	}
	MUST(lost == in.counter(MSG_COUNTER_LOST));
	MUST(brokered ? lost > 0 : lost == 2);
}

void events()
{
	msg::node node, other = outside();
	msg::subscriber_options options;
	options.topic = "events";
	options.events = 1;
	msg::subscriber in(node, options);
	msg::publisher publisher(other, "events");

	msg::view view = one(in);
	MUST(view.event() == MSG_EVENT_JOINED);
	MUST(view.publisher() == publisher.id() && view.bytes() == 0);
	MUST(publisher.publish("x"));
	MUST(one(in).event() == MSG_EVENT_MESSAGE);
	std::uint64_t id = publisher.id();
	publisher.close();
	view = one(in);
	MUST(view.event() == MSG_EVENT_LEFT && view.publisher() == id);
}

} // namespace

void run_events()
{
	RUN(wake);
	RUN(timeout);
	RUN(loss);
	RUN(loss_event);
	RUN(events);
}

} // namespace conformance
