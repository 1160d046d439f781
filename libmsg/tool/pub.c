/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pub.c - `msg pub TOPIC`: send lines, files, texts or made-up messages.
 *
 *     source ── next ──> loan ── fill in place ──> send, or queue … flush
 *
 * Paced messages leave at start + n / rate, whatever came before (pace.h).
 * When no buffer is free the loan is asked for again: a full lane slows this
 * program down and loses nothing here.
 */
#include "command.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <msg/stats.h>

#include "delivery.h"
#include "lane.h"
#include "options.h"
#include "pace.h"
#include "publishing.h"
#include "source.h"
#include "stop.h"
#include "text.h"

enum {
	OPTION_BATCH = OPTION_LONG,
	OPTION_BUFFERS,
	OPTION_LARGE,
	OPTION_LINGER,
	OPTION_MAX_BYTES,
	OPTION_WAIT_MS,
};

static const struct option_spec options[] = {
	{'m', "message", "TEXT", "send this; may be given several times"},
	{'f', "file", "FILE",
		"send a file as one message ('-': stdin); "
		"further operands are files too"},
	{'s', "size", "N", "send made-up messages of N bytes"},
	{'n', "count", "N", "stop after N messages; texts and files repeat"},
	{'r', "rate", "N[k|M][/s]",
		"this many a second; 0: as fast as "
		"possible (the default)"},
	{OPTION_BATCH, "batch", "N", "queue up to N messages, then flush (1)"},
	{OPTION_BUFFERS, "buffers", "N", "buffers to lend, 2 to 65536"},
	{OPTION_LINGER, "linger", "SEC",
		"stay announced that long at the "
		"end (0)"},
	{OPTION_MAX_BYTES, "max-bytes", "N",
		"largest message, up to 16Mi "
		"(64Ki for lines)"},
	{OPTION_RELIABILITY, "reliability", "WHAT",
		"best-effort, reliable or rc "
		"(best-effort)"},
	PUBLISHING_OPTIONS,
	{OPTION_LARGE, "large", "N",
		"reliable: messages above --max-bytes, up to N "
		"(at most 1Gi), are\n"
		"                               read by receivers from "
		"where they stand (none)"},
	{OPTION_WAIT_MS, "wait-ms", "N",
		"between announcing the topic and "
		"the first message, so that\n"
		"                               patterns can follow (100)"},
	OPTION_END,
};

/* For patterns to follow, and for subscribers of an rc topic to connect. */
#define WAIT_MS 100u
#define CONNECT_MS 500u
#define WAIT_DEFAULT UINT64_MAX
#define WONDER_NS 1000000000u

struct pub {
	const char *topic;
	struct lane_choice lane;
	struct source source;
	struct msg_publisher *publisher;
	uint64_t count; /* 0: no limit. */
	uint64_t batch;
	uint64_t wait_ms;
	uint64_t max_bytes;
	uint64_t buffers;
	double rate;
	double linger;
	uint64_t queued;
	uint64_t bytes;
	uint64_t failed;
	bool waited; /* For long, and that is said. */
	struct msg_publisher_options wanted;
};

/* ---- the command line -------------------------------------------------- */

static void choose(struct pub *pub, enum source_kind kind)
{
	if (pub->source.item_count > 0 && pub->source.kind != kind)
		usage_fail("--message, --file and --size exclude each other");
	pub->source.kind = kind;
}

static void add_item(struct pub *pub, enum source_kind kind, char *item)
{
	if (pub->source.kind == SOURCE_SYNTHETIC)
		usage_fail("--message, --file and --size exclude each other");
	choose(pub, kind);
	pub->source.items[pub->source.item_count++] = item;
}

static void take_option(struct pub *pub, int id)
{
	switch (id) {
	case 'm':
		add_item(pub, SOURCE_TEXTS, optarg);
		break;
	case 'f':
		add_item(pub, SOURCE_FILES, optarg);
		break;
	case 's':
		choose(pub, SOURCE_SYNTHETIC);
		pub->source.size =
			value_count("--size", optarg, 0, MSG_LARGE_BYTES_MAX);
		break;
	case 'n':
		pub->count = value_count("--count", optarg, 1, UINT64_MAX / 2);
		break;
	case 'r':
		pub->rate = value_rate("--rate", optarg);
		break;
	case OPTION_BATCH:
		pub->batch = value_count("--batch", optarg, 1, 65536);
		break;
	case OPTION_BUFFERS:
		pub->buffers = value_count("--buffers", optarg, 2, 65536);
		break;
	case OPTION_LARGE:
		pub->wanted.large_bytes_max = value_count(
			"--large", optarg, 1, MSG_LARGE_BYTES_MAX);
		break;
	case OPTION_LINGER:
		pub->linger = value_seconds("--linger", optarg);
		break;
	case OPTION_MAX_BYTES:
		pub->max_bytes = value_count(
			"--max-bytes", optarg, 1, MSG_MESSAGE_BYTES_MAX);
		break;
	case OPTION_WAIT_MS:
		pub->wait_ms = value_count("--wait-ms", optarg, 0, 3600000);
		break;
	default:
		publishing_option(&pub->wanted, id);
		break;
	}
}

static void read_operands(struct pub *pub, int argc, char **argv)
{
	if (argc == optind)
		usage_fail("TOPIC is missing");
	pub->topic = argv[optind++];
	if (optind < argc && pub->source.kind != SOURCE_FILES)
		usage_fail("too many arguments: only TOPIC is expected "
			   "(quote it, or use --message or --file)");
	while (optind < argc)
		add_item(pub, SOURCE_FILES, argv[optind++]);
	if (pub->source.kind == SOURCE_SYNTHETIC &&
		pub->source.size > MSG_MESSAGE_BYTES_MAX &&
		pub->source.size > pub->wanted.large_bytes_max)
		usage_fail("--size %zu is above %u; give --large too, with "
			   "--reliability reliable or rc",
			(size_t)pub->source.size, MSG_MESSAGE_BYTES_MAX);
	delivery_publishing(&pub->wanted);
	if (pub->source.kind == SOURCE_LINES && isatty(STDIN_FILENO))
		say("sending lines from the terminal; end with Ctrl-D");
}

/* ---- sending ----------------------------------------------------------- */

/* Once, when it has waited since `begin_ns` for long enough to wonder. */
static void say_waiting(struct pub *pub, uint64_t begin_ns)
{
	const struct msg_publisher_options *o = &pub->wanted;

	if (pub->waited || clock_ns() - begin_ns < WONDER_NS)
		return;
	pub->waited = true;
	say("waiting for a free buffer: %s",
		o->flow || o->reliability == MSG_RELIABILITY_RC
			? "subscribers that this topic waits for are slow, or "
			  "not there yet"
			: "the lane is full, or a subscriber here blocks");
}

/* Borrow a buffer, waiting while all are out or on the wire. */
static int borrow(struct pub *pub, size_t bytes, struct msg_loan *loan)
{
	uint64_t begin = 0;
	int error;

	for (unsigned tries = 0; !stop_asked(); tries++) {
		error = msg_publisher_loan(pub->publisher, bytes, loan);
		if (error != -MSG_ERROR_AGAIN)
			return error;
		if (pub->queued > 0 && msg_publisher_flush(pub->publisher) == 0)
			pub->queued = 0;
		if (tries < 100) {
			sched_yield();
			continue;
		}
		if (begin == 0)
			begin = clock_ns();
		say_waiting(pub, begin);
		stop_sleep(clock_ns() + 50000);
	}
	return -MSG_ERROR_TIMEOUT;
}

static void flush(struct pub *pub)
{
	if (pub->queued == 0)
		return;
	if (msg_publisher_flush(pub->publisher) == 0)
		pub->queued = 0;
}

static void hand_over(struct pub *pub, struct msg_loan *loan, size_t bytes)
{
	int error;

	if (pub->batch > 1) {
		error = msg_publisher_queue(pub->publisher, loan, bytes);
		if (error == 0 && ++pub->queued >= pub->batch)
			flush(pub);
	} else {
		error = msg_publisher_send(pub->publisher, loan, bytes);
	}
	if (error == 0) {
		pub->bytes += bytes;
		return;
	}
	if (pub->failed++ == 0)
		complain("not sent: %s", msg_error_name(error));
}

/* The sentence for a loan that can never be had. */
static int loan_failed(int error, size_t bytes)
{
	if (error == -MSG_ERROR_TIMEOUT)
		return TOOL_EXIT_OK; /* A stop was asked. */
	if (error == -MSG_ERROR_TOO_LARGE)
		complain("a message of %zu bytes is too large; raise "
			 "--max-bytes or --large",
			bytes);
	else
		complain("no buffer: %s", msg_error_name(error));
	return lane_exit(error);
}

static void wait_turn(struct pub *pub, const struct pace *pace, uint64_t sent)
{
	uint64_t due = pace_due(pace, sent);

	if (pace->period_ns <= 0 || clock_ns() >= due)
		return;
	flush(pub); /* Nothing waits for what has not been written yet. */
	stop_sleep(due);
}

static int send_all(struct pub *pub)
{
	struct pace pace = pace_from(clock_ns(), pub->rate);
	struct source *source = &pub->source;
	struct msg_loan loan;
	size_t bytes;
	int more;

	while (!stop_asked() && (!pub->count || source->number < pub->count)) {
		int error;

		if (pub->queued > 0 && !source_ready(source))
			flush(pub);
		more = source_next(source, &bytes);
		if (more == 0)
			break;
		if (more < 0)
			continue;
		wait_turn(pub, &pace, source->number);
		if (stop_asked())
			break;
		error = borrow(pub, bytes, &loan);
		if (error < 0)
			return loan_failed(error, bytes);
		if (source_fill(source, loan.data))
			hand_over(pub, &loan, bytes);
		else
			msg_publisher_abandon(pub->publisher, &loan);
	}
	flush(pub);
	return TOOL_EXIT_OK;
}

/* What a reliable topic had to do. */
static void say_repairs(const struct pub *pub)
{
	uint64_t naks = msg_publisher_counter(pub->publisher, MSG_COUNTER_NAKS);

	if (naks > 0)
		say("%llu reports of missing frames, %llu repairs, %llu gone",
			(unsigned long long)naks,
			(unsigned long long)msg_publisher_counter(
				pub->publisher, MSG_COUNTER_REPAIRS),
			(unsigned long long)msg_publisher_counter(
				pub->publisher, MSG_COUNTER_GONE));
}

static void summary(const struct pub *pub, uint64_t begin_ns)
{
	double seconds = (double)(clock_ns() - begin_ns) / 1e9;
	uint64_t messages = pub->source.number - pub->failed;
	uint64_t refused =
		msg_publisher_counter(pub->publisher, MSG_COUNTER_LOAN_REFUSED);
	char rate[32], volume[32], speed[32];

	text_scaled((double)messages / seconds, rate, sizeof rate);
	text_scaled((double)pub->bytes, volume, sizeof volume);
	text_scaled((double)pub->bytes / seconds, speed, sizeof speed);
	say("%llu messages, %sB in %.3f s: %s messages/s, %sB/s; %llu loans "
	    "refused, %llu messages failed",
		(unsigned long long)messages, volume, seconds, rate, speed,
		(unsigned long long)refused,
		(unsigned long long)(pub->failed + pub->source.refused));
	say_repairs(pub);
}

/* The largest message that travels in frames.  With --large, what was asked for,
 * or what fits one. */
static void choose_sizes(struct pub *pub)
{
	size_t largest = source_open(&pub->source);
	size_t large = pub->wanted.large_bytes_max;

	if (pub->max_bytes == 0 && large == 0 && largest == 0)
		largest = pub->source.kind == SOURCE_FILES
				  ? MSG_MESSAGE_BYTES_MAX
				  : 65536;
	if (pub->max_bytes == 0 && large == 0)
		pub->max_bytes = largest;
	pub->source.bytes_max = pub->max_bytes > large ? pub->max_bytes : large;
}

static int open_publisher(struct pub *pub, struct msg_node *node)
{
	struct msg_publisher_options wanted = pub->wanted;
	struct msg_node_info info;
	int error;

	msg_node_describe(node, &info);
	choose_sizes(pub);
	wanted.topic = pub->topic;
	wanted.loan_count_max = (uint32_t)pub->buffers;
	/* What surely fits one frame needs no fragments: leave the default. */
	if (pub->max_bytes + 128 > info.frame_bytes)
		wanted.message_bytes_max = (uint32_t)pub->max_bytes;
	error = msg_publisher_open(node, &wanted, &pub->publisher);
	if (error < 0)
		return lane_fail("cannot publish", error);
	return TOOL_EXIT_OK;
}

static int publish(struct pub *pub, struct msg_node *node)
{
	uint64_t begin;
	int code = open_publisher(pub, node);

	if (code != TOOL_EXIT_OK)
		return code;
	say("publishing %s", pub->topic);
	if (pub->wait_ms == WAIT_DEFAULT)
		pub->wait_ms = pub->wanted.reliability == MSG_RELIABILITY_RC
				       ? CONNECT_MS
				       : WAIT_MS;
	stop_sleep(clock_ns() + pub->wait_ms * 1000000u);
	begin = clock_ns();
	code = send_all(pub);
	summary(pub, begin);
	stop_sleep(clock_ns() + (uint64_t)(pub->linger * 1e9));
	if (code == TOOL_EXIT_OK && pub->failed + pub->source.refused > 0)
		code = TOOL_EXIT_UNMET;
	msg_publisher_close(pub->publisher);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct pub pub = {.lane = LANE_CHOICE,
		.batch = 1,
		.wait_ms = WAIT_DEFAULT,
		.wanted = MSG_PUBLISHER_OPTIONS};
	struct msg_node *node;
	int id, code = TOOL_EXIT_OK;

	pub.source.items = calloc((size_t)argc + 1, sizeof(char *));
	if (!pub.source.items)
		return TOOL_EXIT_UNMET;
	while ((id = options_next(command, &pub.lane, argc, argv)) >= 0)
		take_option(&pub, id);
	read_operands(&pub, argc, argv);
	pub.source.repeat = pub.count > 0;
	stop_catch();
	prctl(PR_SET_TIMERSLACK, 1UL); /* Wake at the deadline, not 50 us on. */
	pub.lane.options.flags |= MSG_NODE_PROGRESS_THREAD;
	node = lane_open(&pub.lane, &code);
	if (node) {
		code = publish(&pub, node);
		source_close(&pub.source);
		msg_node_close(node);
	}
	free(pub.source.items);
	return code;
}

const struct command command_pub = {
	"pub",
	"[OPTION...] TOPIC [-f FILE [FILE...]]",
	"Publish lines, files, texts or made-up messages.",
	"Without --message, --file or --size, each line of standard input is "
	"a message.\nThe summary goes to stderr.",
	options,
	true,
	run,
};
