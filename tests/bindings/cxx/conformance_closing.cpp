/* SPDX-License-Identifier: BSD-2-Clause */
/* conformance_closing.cpp - closing, in order and out of it; what is refused. */
#include "conformance.hpp"

namespace conformance
{

namespace
{

/* ---- closing ----------------------------------------------------------- */

void close_loans()
{
	pair_of p("close_loans");
	msg::loan loan = p.publisher.loan(5);

	THROWS(p.publisher.close(), MSG_ERROR_BUSY);
	MUST(p.publisher);
	std::memcpy(loan.data(), "still", 5);
	loan.send(5);
	MUST(one(p.in).text() == "still");
	p.publisher.close();
	MUST(!p.publisher);
}

void close_views()
{
	pair_of p("close_views");

	MUST(p.publisher.publish("first"));
	{
		msg::view view = one(p.in);
		THROWS(p.in.close(), MSG_ERROR_BUSY);
		msg::subscriber moved = std::move(p.in);
		THROWS(moved.close(), MSG_ERROR_BUSY);
		MUST(!p.in && moved && view.text() == "first");
		p.in = std::move(moved);
	}
	MUST(p.publisher.publish("second"));
	MUST(one(p.in).text() == "second");
	p.in.close();
	MUST(!p.in);
}

void close_children()
{
	msg::node node;
	{
		msg::publisher publisher(node, "child");
		THROWS(node.close(), MSG_ERROR_BUSY);
		MUST(publisher.publish("x"));
		msg::directory directory(node);
		publisher.close();
		THROWS(node.close(), MSG_ERROR_BUSY);
	}
	node.close();
	MUST(!node);
}

void close_twice()
{
	pair_of p("close_twice");

	p.publisher.close();
	p.publisher.close();
	p.in.close();
	p.in.close();
	msg::node moved = std::move(p.node);
	p.node.close();
	moved.close();
	moved.close();
}

/* ---- refusals ---------------------------------------------------------- */

/* `what` is refused with ARGUMENT in words that name `word`. */
template <class What> void refused(What what, const char *word)
{
	try {
		what();
	} catch (const msg::error &e) {
		MUST(e.code() == MSG_ERROR_ARGUMENT);
		MUST(std::string(e.name()) == "MSG_ERROR_ARGUMENT");
		if (std::string(e.what()).find(word) == std::string::npos)
			std::printf("%s\n", e.what());
		MUST(std::string(e.what()).find(word) != std::string::npos);
		return;
	}
	std::printf("accepted, in spite of %s\n", word);
	std::exit(1);
}

void arguments()
{
	msg::node node;

	refused([&] { msg::publisher(node, "a.*"); }, "a.*");
	refused([&] { msg::publisher(node, ""); }, "topic");
	refused([&] { msg::subscriber(node, "a..b"); }, "a..b");
	refused([&] { msg::directory(node, "a..b"); }, "a..b");
	refused([&] {
		msg::publisher(node,
			pair_of::options("a", MSG_MESSAGE_BYTES_MAX + 1));
	}, "message_bytes_max");
	refused([&] {
		msg::subscriber_options options;
		msg::subscriber(node, options);
	}, "topic");
	refused([&] {
		msg::node_options options;
		options.ttl = 1000;
		options.broker = MSG_BROKER_NEVER;
		msg::node other(options);
	}, "ttl");
	/* A failure has left nothing behind. */
	node.close();
}

void too_large()
{
	pair_of p("too_large", 100);
	std::string text(101, 'x');

	THROWS((void)p.publisher.publish(text), MSG_ERROR_TOO_LARGE);
	THROWS((void)p.publisher.loan(101), MSG_ERROR_TOO_LARGE);
	msg::loan none;
	MUST(p.publisher.try_loan(101, none) == -MSG_ERROR_TOO_LARGE);
	MUST(p.publisher.publish(text.substr(1)));
	MUST(one(p.in).bytes() == 100);
}

} // namespace

void run_closing()
{
	RUN(close_loans);
	RUN(close_views);
	RUN(close_children);
	RUN(close_twice);
	RUN(arguments);
	RUN(too_large);
}

} // namespace conformance
