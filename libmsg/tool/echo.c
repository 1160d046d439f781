/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo.c - `msg echo PATTERN... [FILTER]`: show what comes, and what does not.
 *
 * Each pattern is a subscriber.  The loop takes until there is nothing, then
 * arms every subscriber and sleeps on their descriptors (or spins).  Loss is
 * a line in the stream at the place where the messages are missing, and a
 * number in the summary.  What becomes of a message is in show.c, the forms are
 * in print.c.
 */
#include "command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/stats.h>

#include "delivery.h"
#include "lane.h"
#include "options.h"
#include "pace.h"
#include "print.h"
#include "require.h"
#include "show.h"
#include "stop.h"
#include "subscribing.h"
#include "text.h"

#define TAKE_MAX 64

enum {
	OPTION_BARE = OPTION_LONG,
	OPTION_EVENTS,
	OPTION_FILTER,
	OPTION_HEX,
	OPTION_JSON,
	OPTION_NO_DECODE,
	OPTION_NO_PAYLOAD,
	OPTION_RAW,
	OPTION_REQUIRE,
	OPTION_SPIN,
	OPTION_TEXT,
};

static const struct option_spec options[] = {
	{OPTION_TEXT, "text", NULL, "payloads as text, escaped"},
	{OPTION_HEX, "hex", NULL, "payloads as a hex dump"},
	{OPTION_RAW, "raw", NULL,
		"the bytes of the payloads and nothing "
		"else, unescaped"},
	{OPTION_JSON, "json", NULL,
		"one JSON object per message, and one "
		"summary"},
	{OPTION_BARE, "bare", NULL,
		"payloads without topic, publisher and "
		"sequence"},
	{OPTION_NO_PAYLOAD, "no-payload", NULL,
		"the size instead of the "
		"payload"},
	{OPTION_FILTER, "filter", "EXPR",
		"only messages of which that is true: 'price > 10 and not "
		"closed'"},
	{OPTION_NO_DECODE, "no-decode", NULL,
		"payloads as they are, whatever "
		"type is known"},
	{'n', "count", "N", "end after N messages"},
	{'t', "timeout", "SEC",
		"end after that long; exit 1 when --count "
		"was not reached"},
	{OPTION_REQUIRE, "require", "LIST",
		"exit 1 unless met: loss=0, "
		"messages=100"},
	{OPTION_SPIN, "spin", NULL, "poll instead of sleeping"},
	SUBSCRIBING_OPTIONS,
	{OPTION_EVENTS, "events", NULL,
		"also show who joins, leaves, falls silent, "
		"and losses at once"},
	OPTION_END,
};

static const struct require_metric metrics[] = {
	{"loss", REQUIRE_AT_MOST},
	{"messages", REQUIRE_AT_LEAST},
	{NULL, REQUIRE_AT_MOST},
};

struct echo {
	struct lane_choice lane;
	struct msg_subscriber_options wanted;
	struct print print;
	struct show show;
	struct require require;
	char **patterns; /* Of the subscribers. */
	struct msg_subscriber **subscribers;
	struct pollfd *fds;
	int subscriber_count;
	bool spin;
	uint64_t count; /* 0: no limit. */
	uint64_t until_ns;
	double timeout;
};

/* ---- the command line -------------------------------------------------- */

static void set_form(struct echo *echo, enum print_form form)
{
	if (echo->print.form != PRINT_AUTO && echo->print.form != form)
		usage_fail("--text, --hex, --raw and --json exclude each "
			   "other");
	echo->print.form = form;
}

static void take_option(struct echo *echo, int id)
{
	switch (id) {
	case OPTION_TEXT:
		set_form(echo, PRINT_TEXT);
		break;
	case OPTION_HEX:
		set_form(echo, PRINT_HEX);
		break;
	case OPTION_RAW:
		set_form(echo, PRINT_RAW);
		break;
	case OPTION_JSON:
		set_form(echo, PRINT_JSON);
		break;
	case OPTION_BARE:
		echo->print.bare = true;
		break;
	case OPTION_FILTER:
		if (*optarg == '\0')
			usage_fail("--filter is empty (as 'price > 10')");
		echo->show.filter = optarg;
		break;
	case OPTION_NO_DECODE:
		echo->show.no_decode = true;
		break;
	case OPTION_NO_PAYLOAD:
		echo->print.no_payload = true;
		break;
	case 'n':
		echo->count = value_count("--count", optarg, 1, UINT64_MAX / 2);
		break;
	case 't':
		echo->timeout = value_limit("--timeout", optarg);
		break;
	case OPTION_REQUIRE:
		require_parse(&echo->require, optarg, metrics);
		break;
	case OPTION_SPIN:
		echo->spin = true;
		break;
	case OPTION_EVENTS:
		echo->wanted.events = 1;
		break;
	default:
		subscribing_option(&echo->wanted, id);
		break;
	}
}

/* Whether it is no pattern, and so a filter: in a pattern there is no blank, and
 * '>' stands at the end. */
static bool is_filter(const char *text)
{
	const char *greater = strchr(text, '>');

	return strpbrk(text, " =<!(&|\"'") || (greater && greater[1]);
}

static int read_line(
	struct echo *echo, const struct command *command, int argc, char **argv)
{
	int id, patterns;

	while ((id = options_next(command, &echo->lane, argc, argv)) >= 0)
		take_option(echo, id);
	if (optind == argc)
		usage_fail("PATTERN is missing (as demo.cpu, 'md.*.bid', "
			   "'md.>'; quote wildcards)");
	if (echo->print.form == PRINT_RAW && echo->print.no_payload)
		usage_fail("--raw and --no-payload exclude each other");
	delivery_subscribing(&echo->wanted);
	patterns = argc - optind;
	if (patterns > 1 && !echo->show.filter && is_filter(argv[argc - 1])) {
		echo->show.filter = argv[argc - 1];
		patterns--;
	}
	return patterns;
}

/* ---- opening and closing ----------------------------------------------- */

static int open_subscribers(
	struct echo *echo, struct msg_node *node, char **patterns, int count)
{
	echo->patterns = patterns;
	for (int i = 0; i < count && !stop_asked(); i++) {
		struct msg_subscriber **at =
			&echo->subscribers[echo->subscriber_count];
		int error;

		echo->wanted.topic = patterns[i];
		error = msg_subscriber_open(node, &echo->wanted, at);
		if (error < 0)
			return lane_fail("cannot subscribe", error);
		echo->fds[echo->subscriber_count++] = (struct pollfd){
			.fd = msg_subscriber_fd(*at),
			.events = POLLIN,
		};
		say("listening to %s", patterns[i]);
	}
	return TOOL_EXIT_OK;
}

static void close_subscribers(struct echo *echo)
{
	for (int i = 0; i < echo->subscriber_count; i++)
		msg_subscriber_close(echo->subscribers[i]);
}

static uint64_t counted(const struct echo *echo, int counter)
{
	uint64_t sum = 0;

	for (int i = 0; i < echo->subscriber_count; i++)
		sum += msg_subscriber_counter(echo->subscribers[i], counter);
	return sum;
}

/* ---- the loop ---------------------------------------------------------- */

/* How many messages may still be shown, at most `most`. */
static int wanted_now(const struct echo *echo, int most)
{
	uint64_t left;

	if (echo->count == 0)
		return most;
	left = echo->count - echo->print.messages - echo->show.waiting.count;
	return left < (uint64_t)most ? (int)left : most;
}

/* Whether an earlier pattern has it already. */
static bool shown_before(
	const struct echo *echo, int index, const struct msg_view *view)
{
	const char *topic =
		msg_subscriber_topic(echo->subscribers[index], view);

	for (int i = 0; i < index; i++)
		if (msg_topic_match(echo->patterns[i], topic) == 1)
			return true;
	return false;
}

/* One round over the subscribers: how many messages were shown, negative on
 * failure. */
static int take_round(struct echo *echo)
{
	struct msg_view views[TAKE_MAX];
	int taken = 0;

	for (int i = 0; i < echo->subscriber_count; i++) {
		struct msg_subscriber *subscriber = echo->subscribers[i];
		int count, wanted = wanted_now(echo, TAKE_MAX);

		if (wanted == 0)
			break;
		count = msg_subscriber_take(subscriber, views, wanted);
		if (count < 0)
			return count;
		for (int v = 0; v < count; v++)
			if (!shown_before(echo, i, &views[v]))
				show_view(&echo->show, subscriber, &views[v]);
		msg_subscriber_release(subscriber, views, count);
		taken += count;
	}
	return taken;
}

/* Sleep, unless a subscriber says that messages wait. */
static int rest(struct echo *echo)
{
	uint64_t until = show_until(&echo->show);
	int count = echo->subscriber_count;

	if (fflush(stdout) != 0)
		return 0; /* The loop notices. */
	if (echo->spin)
		return 0;
	for (int i = 0; i < echo->subscriber_count; i++) {
		int error = msg_subscriber_arm(echo->subscribers[i]);

		if (error == -MSG_ERROR_AGAIN)
			return 0;
		if (error < 0)
			return error;
	}
	if (echo->show.types)
		echo->fds[count++] = (struct pollfd){
			.fd = types_fd(echo->show.types), .events = POLLIN};
	echo->fds[count++] = stop_output_watch();
	if (until == 0 || (echo->until_ns && echo->until_ns < until))
		until = echo->until_ns;
	stop_poll(echo->fds, count, until);
	if (echo->show.types)
		types_hear(echo->show.types);
	return 0;
}

static bool finished(const struct echo *echo)
{
	return (echo->count && echo->print.messages >= echo->count) ||
	       stop_asked() || ferror(stdout) || echo->show.failed ||
	       (echo->until_ns && clock_ns() >= echo->until_ns);
}

static int show(struct echo *echo)
{
	while (!finished(echo)) {
		int taken = take_round(echo);

		show_turn(&echo->show, false);
		if (taken == 0) {
			if (stop_output_closed())
				break;
			taken = rest(echo);
		}
		if (taken < 0) {
			complain("receiving failed: %s", msg_error_name(taken));
			return lane_exit(taken);
		}
	}
	show_turn(&echo->show, true);
	fflush(stdout);
	return echo->show.failed ? TOOL_EXIT_USAGE : TOOL_EXIT_OK;
}

/* ---- the end ----------------------------------------------------------- */

static void say_counters(const struct echo *echo)
{
	static const int shown[] = {
		MSG_COUNTER_LATE,
		MSG_COUNTER_MALFORMED,
		MSG_COUNTER_TRUNCATED,
		MSG_COUNTER_TOO_LARGE,
		MSG_COUNTER_STARVED,
		MSG_COUNTER_PUBLISHERS_REFUSED,
		MSG_COUNTER_NAKS,
		MSG_COUNTER_REPAIRS,
		MSG_COUNTER_FETCHED,
		MSG_COUNTER_GONE,
		MSG_COUNTER_GIVEN_UP,
	};

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		const struct msg_counter *counter =
			msg_counter_describe(shown[i]);
		uint64_t value = counted(echo, shown[i]);

		if (value > 0 && counter)
			say("%s: %llu.  %s  %s", counter->name,
				(unsigned long long)value, counter->meaning,
				counter->remedy);
	}
}

static void summary(struct echo *echo, uint64_t begin_ns)
{
	double seconds = (double)(clock_ns() - begin_ns) / 1e9;
	uint64_t lost = counted(echo, MSG_COUNTER_LOST);
	uint64_t publishers = counted(echo, MSG_COUNTER_PUBLISHERS);
	char volume[32];

	if (echo->print.form == PRINT_JSON)
		print_json_summary(&echo->print, lost, publishers, seconds);
	text_scaled((double)echo->print.bytes, volume, sizeof volume);
	say("%llu messages, %sB of %llu publishers in %.3f s; %llu lost",
		(unsigned long long)echo->print.messages, volume,
		(unsigned long long)publishers, seconds,
		(unsigned long long)lost);
	if (echo->show.left_out > 0)
		say("%llu messages were left out: they are of no type that "
		    "the filter can be asked about",
			(unsigned long long)echo->show.left_out);
	say_counters(echo);
}

static int judge(const struct echo *echo)
{
	double lost = (double)counted(echo, MSG_COUNTER_LOST);
	bool met = require_check(&echo->require, "loss", lost, "");

	if (!require_check(&echo->require, "messages",
		    (double)echo->print.messages, ""))
		met = false;
	if (echo->count && echo->print.messages < echo->count &&
		echo->until_ns && clock_ns() >= echo->until_ns) {
		complain("%llu of %llu messages came in time",
			(unsigned long long)echo->print.messages,
			(unsigned long long)echo->count);
		met = false;
	}
	return met ? TOOL_EXIT_OK : TOOL_EXIT_UNMET;
}

static int listen_to(
	struct echo *echo, struct msg_node *node, char **patterns, int count)
{
	uint64_t begin = clock_ns();
	int code = open_subscribers(echo, node, patterns, count);

	if (code == TOOL_EXIT_OK &&
		!show_open(&echo->show, node, patterns, count))
		code = TOOL_EXIT_UNMET;
	if (echo->timeout > 0)
		echo->until_ns = begin + (uint64_t)(echo->timeout * 1e9);
	if (code == TOOL_EXIT_OK)
		code = show(echo);
	if (code == TOOL_EXIT_OK && !stop_output_closed())
		summary(echo, begin);
	if (code == TOOL_EXIT_OK)
		code = judge(echo);
	show_close(&echo->show);
	close_subscribers(echo);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct echo echo = {
		.lane = LANE_CHOICE, .wanted = MSG_SUBSCRIBER_OPTIONS};
	struct msg_node *node;
	int patterns, code = TOOL_EXIT_OK;

	echo.show.print = &echo.print;
	patterns = read_line(&echo, command, argc, argv);
	echo.subscribers = calloc((size_t)patterns, sizeof *echo.subscribers);
	echo.fds = calloc(
		(size_t)patterns + 2 + STOP_POLL_EXTRA, sizeof *echo.fds);
	if (!echo.subscribers || !echo.fds)
		return TOOL_EXIT_UNMET;
	stop_catch();
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	node = lane_open(&echo.lane, &code);
	if (node) {
		code = listen_to(&echo, node, argv + optind, patterns);
		msg_node_close(node);
	}
	print_close(&echo.print);
	free(echo.subscribers);
	free(echo.fds);
	return code;
}

const struct command command_echo = {
	"echo",
	"[OPTION...] PATTERN... [FILTER]",
	"Show the messages of topics.",
	"A line is: topic, publisher, sequence, payload, with one space "
	"between.  Where the\npublisher names a type, the payload is shown by "
	"its fields.  Else a payload that\nis text is shown as text, another as "
	"a hex dump; control characters and\nbroken UTF-8 are escaped (\\n, \\x1b), "
	"a backslash is doubled.  Where messages are\nmissing a line starting "
	"with '!' says how many.",
	options,
	true,
	run,
};
