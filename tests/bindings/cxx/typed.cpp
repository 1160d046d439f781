/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * typed.cpp - type.hpp and protobuf_c.hpp: structs in place and generated
 * messages, sent, read, decoded by who has never seen them, and kept apart.
 *
 *     typed direct|broker
 *
 * conformance.sh --no-list says where it runs.
 */
#include <msg/protobuf_c.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "must.hpp"
#include "quote.pb-c.h"

using namespace std::chrono_literals;

namespace lab
{

enum class state : std::uint8_t { cold, hot };

struct place {
	std::int16_t row, shelf;
};

/* A field of each kind; `spare` is left out, and so padding. */
struct oven {
	char name[8];
	double celsius[2][2];
	float volts;
	std::uint32_t step;
	std::int64_t made;
	place at[2];
	state now;
	bool open;
	signed char tilt;
	std::byte key[3];
	std::uint16_t spare;
};

/* The same bytes, of which it knows one field. */
struct other {
	oven all;
};

} // namespace lab

MSG_CXX_STRUCT(lab::place, "place", MSG_CXX_FIELD(lab::place, row),
	MSG_CXX_FIELD(lab::place, shelf));
MSG_CXX_STRUCT(lab::oven, "oven", MSG_CXX_FIELD(lab::oven, name),
	MSG_CXX_FIELD(lab::oven, celsius), MSG_CXX_FIELD(lab::oven, volts),
	MSG_CXX_FIELD(lab::oven, step), MSG_CXX_FIELD(lab::oven, made),
	MSG_CXX_FIELD(lab::oven, at), MSG_CXX_FIELD(lab::oven, now),
	MSG_CXX_FIELD(lab::oven, open), MSG_CXX_FIELD(lab::oven, tilt),
	MSG_CXX_FIELD(lab::oven, key));
MSG_CXX_STRUCT(lab::other, "oven", MSG_CXX_FIELD(lab::other, all));

using quote = msg::protobuf_c<Md__Quote, &md__quote__descriptor>;

namespace
{

/* A node whose publishers answer who asks for their types. */
msg::node answering()
{
	msg::node_options options;

	options.announce_ms = 50;
	options.flags = MSG_NODE_PROGRESS_THREAD;
	return msg::node(options);
}

/* The next message (or event), which must come. */
template <class Subscriber> msg::view one(Subscriber &in)
{
	for (int i = 0; i < 200; i++) {
		msg::view view = in.take_one();
		if (view)
			return view;
		in.wait(50ms);
	}
	MUST(false && "a message comes");
	return msg::view();
}

lab::oven example(std::uint32_t step)
{
	lab::oven oven{};

	std::strcpy(oven.name, "east");
	oven.celsius[0][0] = 180.5;
	oven.celsius[1][1] = -1;
	oven.volts = 0.25f;
	oven.step = step;
	oven.made = std::numeric_limits<std::int64_t>::min();
	oven.at[1] = {-3, 4};
	oven.now = lab::state::hot;
	oven.open = true;
	oven.tilt = -7;
	oven.key[2] = std::byte{255};
	return oven;
}

const char example_json[] =
	"{\"name\":\"east\",\"celsius\":[180.5,0,0,-1],\"volts\":0.25,"
	"\"step\":1,\"made\":-9223372036854775808,"
	"\"at\":[{\"row\":0,\"shelf\":0},{\"row\":-3,\"shelf\":4}],"
	"\"now\":1,\"open\":true,\"tilt\":-7,\"key\":\"AAD/\"}";

void structs_are_written_and_read_in_place()
{
	msg::node there = answering(), here;
	msg::typed_subscriber<lab::oven> in(here, "lab.oven");
	msg::typed_publisher<lab::oven> out(there, "lab.oven");

	auto loan = out.loan();
	MUST(loan);
	*loan = example(0);
	loan->step = 1;
	loan.send();
	MUST(!loan);
	MUST(out.publish(example(2)));
	MUST(out.untyped().publish("of another size"));
	MUST(out.loan()); /* Left behind: abandoned. */

	msg::view view = one(in);
	const lab::oven *oven = in.get(view);
	MUST(oven && oven == view.data());
	MUST(oven->step == 1 && oven->at[1].row == -3);
	MUST(in.expected().json(view) == example_json);
	view = one(in);
	MUST(in.get(view) && in.get(view)->step == 2);
	view = one(in);
	MUST(!in.get(view));
	view.release();
	MUST(in.take().empty());
}

void who_has_never_seen_it_decodes_it()
{
	msg::node there = answering(), here;
	msg::subscriber in(here, "lab.strange");
	msg::typed_publisher<lab::oven> out(there, "lab.strange");
	msg::directory directory(here, "lab.*");
	msg::type fetched(directory, "lab.strange", 10s);
	msg::type own = msg::codec<lab::oven>::make_type();

	MUST(std::string(fetched.name()) == "oven");
	MUST(fetched.encoding() == MSG_ENCODING_CSTRUCT);
	MUST(fetched.hash() == own.hash() && fetched.schema() == own.schema());
	MUST(fetched.print().find("double celsius[4];") != std::string::npos);
	msg::type again(fetched.encoding(), fetched.name(), fetched.schema());
	MUST(again.hash() == own.hash());

	MUST(out.publish(example(1)));
	msg::view view = one(in);
	MUST(fetched.json(view) == example_json);
	msg::filter hot(fetched, "now == 1 and at.row == -3");
	msg::filter cold(fetched, "now == 0");
	MUST(hot.match(view) && !cold.match(view));

	int values = 0;
	MUST(!fetched.walk(view.data(), view.bytes(),
		[&](const msg_value &) { return ++values == 1000; }));
	MUST(values > 20);
	bool thrown = false;
	try {
		fetched.walk(view.data(), view.bytes(),
			[](const msg_value &) -> bool { throw 5; });
	} catch (int five) {
		thrown = five == 5;
	}
	MUST(thrown);
	thrown = false;
	try {
		msg::filter(fetched, "nowhere == 1");
	} catch (const msg::error &e) {
		thrown = e.code() == MSG_ERROR_ARGUMENT;
	}
	MUST(thrown);
}

void another_type_is_kept_away()
{
	msg::node there = answering(), here;
	msg::subscriber_options options;

	options.topic = "lab.mixed";
	options.events = 1;
	msg::typed_subscriber<lab::oven> in(here, options);
	msg::typed_publisher<lab::other> other(there, "lab.mixed");
	msg::view view = one(in);
	while (view.event() != MSG_EVENT_OTHER_TYPE)
		view = one(in);
	MUST(view.publisher() == other.untyped().id());
	view.release();

	msg::typed_publisher<lab::oven> out(there, "lab.mixed");
	MUST(other.publish({example(3)}));
	MUST(out.publish(example(4)));
	do
		view = one(in);
	while (view.event() != MSG_EVENT_MESSAGE);
	MUST(view.publisher() == out.untyped().id());
	MUST(in.get(view)->step == 4);
	MUST(in.untyped().counter(MSG_COUNTER_TYPE_REFUSED) <= 1);
}

void generated_messages_are_packed_and_unpacked()
{
	msg::node there = answering(), here;
	msg::subscriber_options options;

	options.topic = "md.acme";
	options.events = 1;
	msg::typed_subscriber<quote> in(here, options);
	msg::typed_publisher<quote> out(there, "md.acme");
	Md__Quote q = MD__QUOTE__INIT;
	char symbol[] = "ACME";

	q.symbol = symbol;
	q.price = 10.5;
	q.has_side = 1;
	q.side = MD__SIDE__SELL;
	MUST(out.publish(q));
	MUST(out.untyped().publish("\xff no message"));

	msg::view view = one(in);
	MUST(view.event() == MSG_EVENT_JOINED && !in.get(view));
	view = one(in);
	auto got = in.get(view);
	MUST(got && std::string(got->symbol) == "ACME");
	MUST(std::fabs(got->price - 10.5) < 1e-9 && got->side == MD__SIDE__SELL);
	MUST(in.expected().json(view).find("\"side\":\"SELL\"") !=
		std::string::npos);
	view = one(in);
	MUST(!in.get(view));
}

/* In several pieces, which a copy puts together. */
void a_message_in_pieces_is_read()
{
	msg::node there = answering(), here;
	msg::publisher_options options;

	options.topic = "md.long";
	options.message_bytes_max = 100000;
	msg::typed_publisher<quote> out(there, options);
	msg::typed_subscriber<quote> in(here, "md.long");
	Md__Quote q = MD__QUOTE__INIT;
	std::string symbol(90000, 'x');

	q.symbol = &symbol[0];
	MUST(out.publish(q));
	msg::view view = one(in);
	auto got = in.get(view);
	MUST(got && got->symbol == symbol);
	MUST(in.expected().json(view).size() > symbol.size());
}

} // namespace

int main()
try {
	structs_are_written_and_read_in_place();
	who_has_never_seen_it_decodes_it();
	another_type_is_kept_away();
	generated_messages_are_packed_and_unpacked();
	a_message_in_pieces_is_read();
	std::puts("all of typed.cpp holds");
	return 0;
} catch (const msg::error &e) {
	std::printf("FAIL: %s: %s\n", e.name(), e.what());
	return 1;
}
