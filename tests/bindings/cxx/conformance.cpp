/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conformance.cpp - msg.hpp against conformance.list.
 *
 *     conformance direct|broker
 *
 * One function for each line of the list, of the same name; conformance.sh says
 * where it runs.  The first thing that does not hold ends the program.
 */
#include <msg/msg.hpp>

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <thread>

using namespace std::chrono_literals;

#define MUST(what)                                                             \
	do {                                                                   \
		if (!(what)) {                                                 \
			std::printf("FAIL %s:%d: %s: %s\n", __FILE__,          \
				__LINE__, __func__, #what);                    \
			std::exit(1);                                          \
		}                                                              \
	} while (0)

/* `action` throws msg::error with this code. */
#define THROWS(action, wanted)                                                  \
	do {                                                                   \
		int code_ = 0;                                                 \
		try {                                                          \
			action;                                                \
		} catch (const msg::error &e) {                                \
			code_ = e.code();                                      \
			MUST(e.what()[0] != '\0');                             \
		}                                                              \
		MUST(code_ == (wanted));                                       \
	} while (0)

namespace
{

bool brokered;

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

/* Publish, and wait for a buffer if need be: what travels through a broker may
 * have to wait for the network. */
void send(msg::publisher &publisher, std::string_view text)
{
	auto limit = std::chrono::steady_clock::now() + 10s;

	while (!publisher.publish(text)) {
		MUST(std::chrono::steady_clock::now() < limit);
		std::this_thread::sleep_for(100us);
	}
}

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

/* ---- topics ------------------------------------------------------------ */

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

#define RUN(name)                                                              \
	do {                                                                   \
		name();                                                        \
		std::printf("ok %s\n", #name);                                 \
	} while (0)

int main(int argc, char **argv)
{
	brokered = argc > 1 && std::string(argv[1]) == "broker";
	std::setvbuf(stdout, nullptr, _IOLBF, 0);
	try {
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
		RUN(wake);
		RUN(timeout);
		RUN(loss);
		RUN(loss_event);
		RUN(events);
		RUN(wildcard);
		RUN(match);
		RUN(counters);
		RUN(directory);
		RUN(lane);
		RUN(close_loans);
		RUN(close_views);
		RUN(close_children);
		RUN(close_twice);
		RUN(arguments);
		RUN(too_large);
	} catch (const std::exception &e) {
		std::printf("FAIL thrown: %s\n", e.what());
		return 1;
	}
	return 0;
}
