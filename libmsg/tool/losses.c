/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * losses.c - `msg losses [PATTERN]`: what is lost, when, and whose fault it is.
 *
 * It is a subscriber that asks for events and looks at nothing else: a line
 * says what itself lost, as soon as it is told.  What other subscribers of this
 * host lose is in the counters of its broker, which is looked at four times a
 * second (losses_broker.c).
 */
#include "losses.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/stats.h>

#include "command.h"
#include "delivery.h"
#include "lane.h"
#include "options.h"
#include "pace.h"
#include "stop.h"
#include "subscribing.h"
#include "text.h"

#define TAKE_MAX 64
#define LOOK_NS 250000000u

enum {
	OPTION_ALL = OPTION_LONG,
	OPTION_DIRECT,
	OPTION_JSON,
};

static const struct option_spec options[] = {
	{OPTION_ALL, "all", NULL,
		"publishers that come, leave, fall silent and "
		"restart, too"},
	{OPTION_JSON, "json", NULL, "one JSON object a line"},
	{'t', "seconds", "SEC", "end after that long"},
	{'n', "count", "N", "end after N losses"},
	{OPTION_DIRECT, "direct", NULL,
		"straight from the lane, past the "
		"broker"},
	SUBSCRIBING_OPTIONS,
	OPTION_END,
};

struct losses {
	struct lane_choice lane;
	struct msg_subscriber_options wanted;
	struct msg_subscriber *subscriber;
	struct losses_book book;
	struct losses_broker broker;
	const char *pattern;
	bool as_json;
	bool all;
	uint64_t count;    /* 0: no limit. */
	double seconds;    /* 0: no limit. */
	uint64_t until_ns; /* 0: no limit. */
	uint64_t look_ns;  /* When to look at the broker again. */
	uint64_t lapped;   /* Of ours, as told. */
};

/* ---- the command line ---------------------------------------------------- */

static void take_option(struct losses *losses, int id)
{
	switch (id) {
	case OPTION_ALL:
		losses->all = true;
		break;
	case OPTION_JSON:
		losses->as_json = true;
		break;
	case 't':
		losses->seconds = value_limit("--seconds", optarg);
		break;
	case 'n':
		losses->count =
			value_count("--count", optarg, 1, UINT64_MAX / 2);
		break;
	case OPTION_DIRECT:
		losses->lane.options.broker = MSG_BROKER_NEVER;
		break;
	default:
		subscribing_option(&losses->wanted, id);
		break;
	}
}

static void read_line(struct losses *losses, const struct command *command,
	int argc, char **argv)
{
	int id;

	while ((id = options_next(command, &losses->lane, argc, argv)) >= 0)
		take_option(losses, id);
	if (argc - optind > 1)
		usage_fail("too many arguments: only PATTERN is expected "
			   "(quote wildcards)");
	delivery_subscribing(&losses->wanted);
	losses->pattern = optind < argc ? argv[optind] : ">";
}

/* ---- lines --------------------------------------------------------------- */

static void tell_lost(struct losses *losses, const struct losses_name *who,
	const char *topic, const struct msg_view *view)
{
	enum msg_loss reason = delivery_reason(
		losses->subscriber, view, &losses->lapped);
	uint64_t lost = view->lost_before;
	uint64_t first = view->sequence - lost, last = view->sequence - 1;
	char text[512];
	struct json json;

	losses_book_add(&losses->book, who, topic, reason, lost);
	if (losses->as_json) {
		losses_json_begin(&json, "lost");
		json_text(&json, "topic", topic);
		losses_who_json(&json, who);
		json_count(&json, "lost", lost);
		json_count(&json, "first", first);
		json_count(&json, "last", last);
		json_text(&json, "reason", delivery_loss(reason));
		losses_json_end(&json);
		return;
	}
	losses_who_text(who, text, sizeof text);
	losses_line_begin();
	text_write(stdout, topic, strlen(topic));
	printf(" %s lost %" PRIu64 " (%" PRIu64 " to %" PRIu64 "): %s\n", text,
		lost, first, last, losses_reason_text(reason));
}

static const char *const happenings[] = {
	[MSG_EVENT_JOINED] = "joined at",
	[MSG_EVENT_LEFT] = "left, having sent",
	[MSG_EVENT_SILENT] = "silent (crashed, or the network is cut) at",
	[MSG_EVENT_RESTARTED] = "restarted, at",
	[MSG_EVENT_EVICTED] = "evicted us, at",
	[MSG_EVENT_OTHER_TYPE] = "is of another type, at",
};

static void tell_event(struct losses *losses, const struct losses_name *who,
	const char *topic, const struct msg_view *view)
{
	char text[512];
	struct json json;

	if (!losses->all ||
		view->event >= sizeof happenings / sizeof *happenings ||
		!happenings[view->event])
		return;
	if (losses->as_json) {
		losses_json_begin(&json, delivery_event(view->event));
		json_text(&json, "topic", topic);
		losses_who_json(&json, who);
		json_count(&json, "sequence", view->sequence);
		losses_json_end(&json);
		return;
	}
	losses_who_text(who, text, sizeof text);
	losses_line_begin();
	text_write(stdout, topic, strlen(topic));
	printf(" %s %s %" PRIu64 "\n", text, happenings[view->event],
		view->sequence);
}

static void tell(struct losses *losses, const struct msg_view *view)
{
	const char *topic;
	struct losses_name who;

	if (view->event == MSG_EVENT_MESSAGE && view->lost_before == 0)
		return;
	topic = msg_subscriber_topic(losses->subscriber, view);
	who = losses_book_who(&losses->book, view->publisher);
	if (view->lost_before > 0)
		tell_lost(losses, &who, topic, view);
	if (view->event != MSG_EVENT_MESSAGE && view->event != MSG_EVENT_LOST)
		tell_event(losses, &who, topic, view);
}

/* ---- the loop ------------------------------------------------------------ */

static bool finished(const struct losses *losses)
{
	return (losses->count && losses->book.losses >= losses->count) ||
	       stop_asked() || ferror(stdout) ||
	       (losses->until_ns && clock_ns() >= losses->until_ns);
}

static int take(struct losses *losses)
{
	struct msg_view views[TAKE_MAX];
	int count = msg_subscriber_take(losses->subscriber, views, TAKE_MAX);

	for (int i = 0; i < count && !(losses->count && finished(losses)); i++)
		tell(losses, &views[i]);
	if (count > 0)
		msg_subscriber_release(losses->subscriber, views, count);
	return count;
}

static void look(struct losses *losses)
{
	if (clock_ns() < losses->look_ns)
		return;
	losses->look_ns = clock_ns() + LOOK_NS;
	losses_book_listen(&losses->book);
	losses_broker_look(&losses->broker, losses->as_json);
}

/* Sleep, unless messages wait. */
static int rest(struct losses *losses)
{
	struct pollfd fds[2 + STOP_POLL_EXTRA];
	uint64_t until = losses->look_ns;
	int error;

	if (fflush(stdout) != 0)
		return 0; /* The loop notices. */
	error = msg_subscriber_arm(losses->subscriber);
	if (error < 0)
		return error == -MSG_ERROR_AGAIN ? 0 : error;
	fds[0] = (struct pollfd){
		.fd = msg_subscriber_fd(losses->subscriber),
		.events = POLLIN,
	};
	fds[1] = stop_output_watch();
	if (losses->until_ns && losses->until_ns < until)
		until = losses->until_ns;
	stop_poll(fds, 2, until);
	return 0;
}

static int watch(struct losses *losses)
{
	while (!finished(losses)) {
		int taken = take(losses);

		look(losses);
		if (taken == 0) {
			if (stop_output_closed())
				break;
			taken = rest(losses);
		}
		if (taken < 0) {
			complain("receiving failed: %s%s",
				msg_error_name(taken),
				taken == -MSG_ERROR_EVICTED
					? "; the broker needed what was not "
					  "taken: the losses from here on "
					  "are not known"
					: "");
			return lane_exit(taken);
		}
	}
	fflush(stdout);
	return TOOL_EXIT_OK;
}

/* ---- the end ------------------------------------------------------------- */

static uint64_t counted(const struct losses *losses, int counter)
{
	return msg_subscriber_counter(losses->subscriber, counter);
}

static void summary_json(const struct losses *losses, double seconds)
{
	struct json json;

	losses_json_begin(&json, "summary");
	json_count(&json, "losses", losses->book.losses);
	json_count(&json, "lost", losses->book.lost);
	json_count(&json, "messages", counted(losses, MSG_COUNTER_MESSAGES));
	json_count(
		&json, "publishers", counted(losses, MSG_COUNTER_PUBLISHERS));
	json_count(&json, "naks", counted(losses, MSG_COUNTER_NAKS));
	json_count(&json, "repairs", counted(losses, MSG_COUNTER_REPAIRS));
	json_number(&json, "seconds", seconds);
	losses_json_end(&json);
}

/* What we did not see at all. */
static void say_unseen(const struct losses *losses)
{
	static const int shown[] = {
		MSG_COUNTER_TRUNCATED,
		MSG_COUNTER_PUBLISHERS_REFUSED,
		MSG_COUNTER_TOPICS_REFUSED,
	};

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		const struct msg_counter *counter =
			msg_counter_describe(shown[i]);
		uint64_t value = counted(losses, shown[i]);

		if (value > 0)
			say("%s: %" PRIu64 ".  %s  %s", counter->name, value,
				counter->meaning, counter->remedy);
	}
}

static int summary(struct losses *losses, uint64_t begin_ns)
{
	double seconds = (double)(clock_ns() - begin_ns) / 1e9;
	bool others;

	losses_broker_look(&losses->broker, losses->as_json);
	losses_book_show(&losses->book, losses->as_json);
	others = losses_broker_show(&losses->broker, losses->as_json);
	if (losses->as_json)
		summary_json(losses, seconds);
	fflush(stdout);
	say("%" PRIu64 " losses, %" PRIu64 " messages lost; %" PRIu64
	    " came of %" PRIu64 " publishers in %.3f s, %" PRIu64
	    " frames of them when asked for",
		losses->book.losses, losses->book.lost,
		counted(losses, MSG_COUNTER_MESSAGES),
		counted(losses, MSG_COUNTER_PUBLISHERS), seconds,
		counted(losses, MSG_COUNTER_REPAIRS));
	say_unseen(losses);
	return losses->book.lost > 0 || others ? TOOL_EXIT_UNMET : TOOL_EXIT_OK;
}

/* ---- opening ------------------------------------------------------------- */

/* What a broker does not do for us, and how to have it all the same. */
static int check_broker(const struct losses *losses, const char *name)
{
	const char *refused = NULL;

	if (!name[0])
		return TOOL_EXIT_OK;
	if (losses->wanted.reliability == MSG_RELIABILITY_BEST_EFFORT)
		refused = "--reliability best-effort";
	if (losses->wanted.give_up_ms)
		refused = "--give-up-ms";
	if (refused) {
		complain("%s cannot be had through broker '%s', which asks "
			 "once for all and waits as it does; use --direct",
			refused, name);
		return TOOL_EXIT_USAGE;
	}
	say("through broker '%s': it asks for what is missing, once for this "
	    "host.  Publishers of this host that come, leave or restart are "
	    "not told of through it; --direct shows what the lane tells",
		name);
	return TOOL_EXIT_OK;
}

static int open_all(struct losses *losses, struct msg_node *node)
{
	struct msg_node_info info;
	char name[300];
	int code, error;

	msg_node_describe(node, &info);
	text_escape(name, sizeof name, info.broker);
	code = check_broker(losses, name);
	if (code != TOOL_EXIT_OK)
		return code;
	error = losses_book_open(&losses->book, node, losses->pattern);
	if (error < 0)
		return lane_fail("cannot listen to announcements", error);
	losses->wanted.topic = losses->pattern;
	losses->wanted.events = 1;
	error = msg_subscriber_open(node, &losses->wanted, &losses->subscriber);
	if (error < 0)
		return lane_fail("cannot subscribe", error);
	losses_broker_open(&losses->broker, losses->pattern);
	say("listening to %s", losses->pattern);
	return TOOL_EXIT_OK;
}

static int run_on(struct losses *losses, struct msg_node *node)
{
	uint64_t begin = clock_ns();
	int code = open_all(losses, node);

	if (losses->seconds > 0)
		losses->until_ns = begin + (uint64_t)(losses->seconds * 1e9);
	if (code == TOOL_EXIT_OK) {
		code = watch(losses);
		if (!stop_output_closed()) {
			int judged = summary(losses, begin);

			code = code == TOOL_EXIT_OK ? judged : code;
		}
	}
	losses_broker_close(&losses->broker);
	msg_subscriber_close(losses->subscriber);
	losses_book_close(&losses->book);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct losses losses = {
		.lane = LANE_CHOICE, .wanted = MSG_SUBSCRIBER_OPTIONS};
	struct msg_node *node;
	int code = TOOL_EXIT_OK;

	read_line(&losses, command, argc, argv);
	stop_catch();
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	node = lane_open(&losses.lane, &code);
	if (node) {
		code = run_on(&losses, node);
		msg_node_close(node);
	}
	return code;
}

const struct command command_losses = {
	"losses",
	"[OPTION...] [PATTERN]",
	"Show what is lost, when, and whose fault it is.",
	"Each line is a loss of this subscriber itself: time, topic, "
	"publisher, how many\n(sequence numbers), reason.  Totals follow at "
	"the end, and what subscribers of\nthis host lost by the counters of "
	"its broker, if there is one.  PATTERN is '>'\nunless told.  It is a "
	"subscriber like any: reliable publishers that wait for all\nwait for "
	"it, too, but with --direct --reliability best-effort.\n"
	"Exit: 0 nothing was lost meanwhile, 1 something was, 2 and 3 as "
	"ever.  See msg_topics(7).",
	options,
	true,
	run,
};
