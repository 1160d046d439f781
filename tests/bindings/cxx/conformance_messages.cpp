/* SPDX-License-Identifier: BSD-2-Clause */
/* conformance_messages.cpp - messages out and in, and views that are held. */
#include "conformance.hpp"

#include <deque>

namespace conformance
{

namespace
{

/* ---- messages ---------------------------------------------------------- */

void publish()
{
	pair_of p("publish");

	MUST(p.publisher.publish("copied"));
	msg::loan loan = p.publisher.loan(6);
	MUST(loan && loan.capacity() >= 6);
	std::memcpy(loan.data(), "filled", 6);
	loan.send(6);
	MUST(!loan);
	MUST(p.publisher.try_publish("coded", 5) == 0);
	const char *texts[] = {"copied", "filled", "coded"};
	for (std::uint64_t i = 0; i < 3; i++) {
		msg::view view = one(p.in);
		MUST(view.text() == texts[i]);
		MUST(view.sequence() == i && view.lost_before() == 0);
		MUST(view.publisher() == p.publisher.id());
		MUST(view.event() == MSG_EVENT_MESSAGE);
	}
}

void empty()
{
	pair_of p("empty");

	MUST(p.publisher.publish(nullptr, 0));
	msg::view view = one(p.in);
	MUST(view && view.bytes() == 0 && view.text().empty());
	MUST(view.copy().empty());
}

void queue()
{
	pair_of p("queue");

	for (int i = 0; i < 100; i++) {
		msg::loan loan = p.publisher.loan(sizeof i);
		loan.as<int>() = i;
		loan.queue(sizeof i);
	}
	MUST(p.publisher.flush());
	for (int i = 0; i < 100; i++)
		MUST(one(p.in).as<int>() == i);
	MUST(p.publisher.counter(MSG_COUNTER_FRAMES) < 100);
}

void abandon()
{
	msg::publisher_options options = pair_of::options("abandon", 0);
	options.loan_count_max = 2;
	msg::node node;
	msg::subscriber in(node, "abandon");
	msg::publisher publisher(node, options);

	for (int i = 0; i < 100; i++) {
		msg::loan left = publisher.loan(8);
		MUST(left);
		msg::loan moved = std::move(left);
		MUST(!left && moved);
		if (i % 2)
			moved.abandon();
	}
	MUST(publisher.publish("last"));
	msg::view view = one(in);
	MUST(view.text() == "last" && view.sequence() == 0);
	MUST(publisher.counter(MSG_COUNTER_RELEASE_REFUSED) == 0);
}

void loan_once()
{
	pair_of p("loan_once");
	msg::loan loan = p.publisher.loan(8);

	loan.send(0);
	MUST(!loan && loan.data() == nullptr && loan.capacity() == 0);
	THROWS(loan.send(0), MSG_ERROR_ARGUMENT);
	THROWS(loan.queue(0), MSG_ERROR_ARGUMENT);
	THROWS(loan.as<int>(), MSG_ERROR_ARGUMENT);
	MUST(loan.try_send(0) == -MSG_ERROR_ARGUMENT);
	loan.abandon();
	MUST(one(p.in).sequence() == 0);
	/* More than its capacity: spent, and not sent. */
	loan = p.publisher.loan(8);
	THROWS(loan.send(loan.capacity() + 1), MSG_ERROR_ARGUMENT);
	MUST(!loan && silent(p.in));
	MUST(p.publisher.counter(MSG_COUNTER_MESSAGES) == 1);
}

void would_block()
{
	msg::publisher_options options = pair_of::options("would_block", 0);
	options.loan_count_max = 2;
	msg::node node;
	msg::publisher publisher(node, options);
	std::deque<msg::loan> loans;
	std::uint32_t whole = node.describe().frame_bytes - 24;

	for (;;) {
		msg::loan loan = publisher.loan(whole);
		if (!loan)
			break;
		loans.push_back(std::move(loan));
		MUST(loans.size() <= 2);
	}
	MUST(loans.size() == 2);
	msg::loan none;
	MUST(publisher.try_loan(whole, none) == -MSG_ERROR_AGAIN && !none);
	std::string text(whole, 'x');
	MUST(!publisher.publish(text));
	MUST(publisher.try_publish(text.data(), whole) == -MSG_ERROR_AGAIN);
	loans.pop_front();
	MUST(publisher.publish(text));
}

void take()
{
	pair_of p("take");
	msg::views<3> views;

	MUST(p.in.take(views) == 0 && views.empty());
	MUST(!p.in.take_one());
	for (int i = 0; i < 5; i++)
		MUST(p.publisher.publish_value(i));
	int expected = 0;
	while (expected < 5) {
		p.in.wait(1s);
		MUST(p.in.take(views) <= 3);
		for (msg::message m : views)
			MUST(m.as<int>() == expected++);
	}
	for (int i = 0; i < 4; i++)
		MUST(p.publisher.publish_value(i));
	p.in.wait(1s);
	int n = 0;
	for (msg::message m : p.in.take())
		MUST(m.as<int>() == n++);
	MUST(n > 0);
}

/* ---- holding ----------------------------------------------------------- */

void hold()
{
	pair_of p("hold");
	std::deque<msg::view> held;

	for (int i = 0; i < 300; i++) {
		while (!p.publisher.publish_value(i))
			std::this_thread::sleep_for(100us);
		p.in.wait(1s);
		msg::views<> views = p.in.take();
		for (msg::message m : views)
			if (m.as<int>() % 3 == 0)
				held.push_back(views.keep(m));
		if (!views.empty() && views[0].as<int>() % 3 == 0)
			THROWS(views.keep(views[0]), MSG_ERROR_ARGUMENT);
		msg::views<> moved = std::move(views);
		MUST(views.empty());
		if (held.size() > 20)
			held.erase(held.begin() + 7); /* One of the middle. */
		for (std::size_t k = 0; k < held.size(); k++)
			MUST(held[k].as<int>() ==
				static_cast<int>(held[k].sequence()));
	}
	MUST(held.size() > 10);
	while (!held.empty())
		held.pop_back();
	MUST(p.in.counter(MSG_COUNTER_LOST) == 0);
	p.in.close();
}

void release_once()
{
	pair_of p("release_once");

	MUST(p.publisher.publish("x"));
	msg::view view = one(p.in);
	view.release();
	view.release();
	msg::view other = std::move(view);
	other.release();
	MUST(p.publisher.publish("y"));
	p.in.wait(1s);
	msg::views<> views = p.in.take();
	views.release();
	views.release();
	MUST(p.in.counter(MSG_COUNTER_RELEASE_REFUSED) == 0);
}

void release_anywhere()
{
	pair_of p("release_anywhere");

	for (int i = 0; i < 50; i++) {
		send(p.publisher, "x");
		std::thread([view = one(p.in)]() mutable {
			view.release();
		}).join();
	}
	p.in.close();
}

void release_final()
{
	pair_of p("release_final");

	MUST(p.publisher.publish("x"));
	msg::view view = one(p.in);
	msg::view moved = std::move(view);
	MUST(!view && moved);
	moved.release();
	MUST(!moved);
	THROWS(moved.copy(), MSG_ERROR_ARGUMENT);
	msg::views<> views = p.in.take();
	views.release();
	MUST(views.begin() == views.end());
}

void pieces()
{
	msg::node node, other = outside();
	msg::subscriber in(node, "pieces");
	msg::publisher publisher(other, pair_of::options("pieces", 200000));
	std::string sent(150000, '\0');

	for (std::size_t i = 0; i < sent.size(); i++)
		sent[i] = static_cast<char>(i % 251);
	MUST(publisher.publish(sent));
	msg::view view = one(in);
	std::string read;
	MUST(view.bytes() == sent.size() && view.segment_count() > 1);
	for (const ::msg_segment &piece : view.segments())
		read.append(static_cast<const char *>(piece.data), piece.bytes);
	MUST(read == sent && view.copy() == sent);
	MUST(view.segments()[0].data == view.data());
	MUST(view.text().empty());
	MUST(view.try_copy(&read[0], 10) == -MSG_ERROR_TOO_LARGE);
}

struct sample {
	std::uint64_t count;
	double value;
};

void typed()
{
	pair_of p("typed");

	MUST(p.publisher.publish_value(sample{7, 0.5}));
	msg::loan loan = p.publisher.loan(sizeof(sample));
	loan.as<sample>() = {8, 1.5};
	loan.send(sizeof(sample));
	MUST(p.publisher.publish("not one"));
	msg::view view = one(p.in);
	MUST(view.as<sample>().count == 7 && view.as<sample>().value == 0.5);
	view = one(p.in);
	MUST(view.get_if<sample>()->count == 8);
	view = one(p.in);
	MUST(view.get_if<sample>() == nullptr);
	THROWS(view.as<sample>(), MSG_ERROR_ARGUMENT);
}

} // namespace

void run_messages()
{
	RUN(publish);
	RUN(empty);
	RUN(queue);
	RUN(abandon);
	RUN(loan_once);
	RUN(would_block);
	RUN(take);
	RUN(hold);
	RUN(release_once);
	RUN(release_anywhere);
	RUN(release_final);
	RUN(pieces);
	RUN(typed);
}

} // namespace conformance
