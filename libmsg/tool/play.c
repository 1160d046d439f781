/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * play.c - `msg play FILE...`: publish what was recorded, as it came.
 *
 *     survey of all files ─> publishers ─> for each message: wait, send
 *
 * The n-th message leaves when as much time has passed since the first as in
 * the recording, divided by the speed; each due time is computed anew, so that
 * nothing drifts.  A file is played in its order; one that was sorted by no
 * time sends what is late at once.
 */
#include "play.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "command.h"
#include "delivery.h"
#include "lane.h"
#include "options.h"
#include "pace.h"
#include "publishing.h"
#include "stop.h"
#include "text.h"

#define WAIT_DEFAULT UINT64_MAX

enum {
	OPTION_BATCH = OPTION_LONG,
	OPTION_BUFFERS,
	OPTION_FROM,
	OPTION_LINGER,
	OPTION_LOOP,
	OPTION_PREFIX,
	OPTION_SPEED,
	OPTION_TO,
	OPTION_TOPIC,
	OPTION_WAIT_MS,
};

static const struct option_spec options[] = {
	{OPTION_TOPIC, "topic", "PATTERN",
		"play these topics; may be given several times (all)"},
	{OPTION_PREFIX, "prefix", "TOPIC",
		"publish a.b as TOPIC.a.b, apart from who "
		"publishes it now"},
	{OPTION_SPEED, "speed", "X",
		"twice as fast: 2; as fast as possible: 0 (1)"},
	{OPTION_FROM, "from", "TIME",
		"begin there: seconds from the recording's start, or\n"
		"                               UTC, as 2026-11-28T06:34:24Z"},
	{OPTION_TO, "to", "TIME", "end there"},
	{OPTION_LOOP, "loop", NULL, "begin again at the end"},
	{'n', "count", "N", "end after N messages"},
	{OPTION_BATCH, "batch", "N", "queue up to N messages, then flush (1)"},
	{OPTION_BUFFERS, "buffers", "N", "buffers to lend, for each publisher"},
	{OPTION_LINGER, "linger", "SEC",
		"stay announced that long at the "
		"end (0)"},
	{OPTION_RELIABILITY, "reliability", "WHAT",
		"best-effort, reliable or rc (as it "
		"was recorded)"},
	PUBLISHING_OPTIONS,
	{OPTION_WAIT_MS, "wait-ms", "N",
		"between announcing the topics and "
		"the first message, so that\n"
		"                               patterns can follow (100; rc: "
		"500)"},
	OPTION_END,
};

/* A place in the recording. */
struct when {
	bool given;
	bool absolute;
	uint64_t ns; /* Since 1970, or since the first record. */
};

struct play {
	struct lane_choice lane;
	struct play_streams streams;
	struct play_file *files;
	char **patterns;
	int file_count;
	double speed;
	double linger;
	uint64_t wait_ms; /* WAIT_DEFAULT: as the topics want. */
	uint64_t count; /* 0: no limit. */
	struct when from, to;
	bool loop;

	uint64_t from_ns, to_ns; /* In the recording. */
	uint64_t base_ns;        /* Of the recording, … */
	uint64_t start_ns;       /* … and when that was played. */
	bool based;
	uint64_t missing; /* Messages, as the recording says. */
	int code;
};

/* ---- the command line ---------------------------------------------------- */

static struct when take_when(const char *option, const char *text)
{
	struct when when = {.given = true};
	const char *rest;
	struct tm tm = {0};
	double ns;

	if (time_parse(text, 1e9, &ns) && ns < 1e9 * 86400 * 36500) {
		when.ns = (uint64_t)ns;
		return when;
	}
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	when.absolute = true;
	if (rest && tm.tm_year >= 70) {
		char *end = (char *)(uintptr_t)rest;
		double part = *rest == '.' ? strtod(rest, &end) : 0;

		when.ns = (uint64_t)timegm(&tm) * 1000000000u +
			  (uint64_t)(part * 1e9);
		if (strcmp(end, "Z") == 0)
			return when;
	}
	{
		char safe[64];

		text_escape(safe, sizeof safe, text);
		usage_fail("%s '%s' is neither seconds (1.5, 200ms, 2m) nor "
			   "UTC (as 2026-11-28T06:34:24Z)",
			option, safe);
	}
}

static double take_speed(const char *text)
{
	char safe[64];
	double speed;

	text_escape(safe, sizeof safe, text);
	if (!scaled_parse(text, &speed))
		usage_fail(
			"--speed '%s' is not a number (as 0.5, 1, 10)", safe);
	if (speed > 1e6 || (speed > 0 && speed < 1e-6))
		usage_fail("--speed %s is out of range: 0, or 0.000001 to 1M",
			safe);
	return speed;
}

static const char *take_prefix(const char *text)
{
	char safe[512];

	if (msg_topic_match(text, text) == 1 && !strpbrk(text, "*>"))
		return text;
	text_escape(safe, sizeof safe, text);
	usage_fail("--prefix '%s' is no topic (as test, or my.test)", safe);
}

static void take_publisher_option(struct play *play, int id)
{
	struct msg_publisher_options *wanted = &play->streams.wanted;

	switch (id) {
	case OPTION_BUFFERS:
		wanted->loan_count_max =
			(uint32_t)value_count("--buffers", optarg, 2, 65536);
		break;
	case OPTION_LINGER:
		play->linger = value_seconds("--linger", optarg);
		break;
	case OPTION_WAIT_MS:
		play->wait_ms = value_count("--wait-ms", optarg, 0, 3600000);
		break;
	default:
		publishing_option(wanted, id);
		break;
	}
}

static void take_option(struct play *play, int id)
{
	switch (id) {
	case OPTION_TOPIC:
		if (msg_topic_match(optarg, "a") < 0) {
			char safe[512];

			text_escape(safe, sizeof safe, msg_error_text());
			usage_fail("%s", safe);
		}
		play->patterns[play->streams.pattern_count++] = optarg;
		break;
	case OPTION_PREFIX:
		play->streams.prefix = take_prefix(optarg);
		break;
	case OPTION_SPEED:
		play->speed = take_speed(optarg);
		break;
	case OPTION_FROM:
		play->from = take_when("--from", optarg);
		break;
	case OPTION_TO:
		play->to = take_when("--to", optarg);
		break;
	case OPTION_LOOP:
		play->loop = true;
		break;
	case 'n':
		play->count = value_count("--count", optarg, 1, UINT64_MAX / 2);
		break;
	case OPTION_BATCH:
		play->streams.batch = value_count("--batch", optarg, 1, 65536);
		break;
	default:
		take_publisher_option(play, id);
		break;
	}
}

/* ---- one message --------------------------------------------------------- */

static bool over(const struct play *play)
{
	return stop_asked() || play->code != TOOL_EXIT_OK ||
	       (play->count && play->streams.messages >= play->count);
}

/* Sleep until it is due. */
static void wait_turn(struct play *play, uint64_t log_ns)
{
	double behind;
	uint64_t due;

	if (!play->based) {
		play->based = true;
		play->start_ns = clock_ns();
		/* What was asked to begin between two messages waits for the
		 * second. */
		play->base_ns = play->from.given ? play->from_ns : log_ns;
	}
	if (play->speed <= 0 || log_ns <= play->base_ns)
		return;
	behind = (double)(log_ns - play->base_ns) / play->speed;
	due = behind < 1e18 ? play->start_ns + (uint64_t)behind : UINT64_MAX;
	if (clock_ns() >= due)
		return;
	play_flush(&play->streams);
	stop_sleep(due);
}

/* What the recorder missed is missing here as well. */
static void note_event(struct play *play, const struct mcap_message *message)
{
	struct recording_event event;

	if (recording_event_read(&event, message->data, message->bytes))
		play->missing += event.lost;
}

static void play_message(struct play *play, const struct play_file *file,
	const struct mcap_message *message)
{
	const struct mcap_known_channel *known =
		mcap_table_channel(&file->table, message->channel_id);
	struct play_stream *stream = known->user;

	if (message->log_ns < play->from_ns || message->log_ns > play->to_ns)
		return;
	if (mcap_text_is(known->told.topic, RECORDING_EVENTS_TOPIC))
		note_event(play, message);
	if (!stream)
		return;
	wait_turn(play, message->log_ns);
	if (!stop_asked())
		play->code = play_send(
			&play->streams, stream, message->data, message->bytes);
}

/* ---- a file -------------------------------------------------------------- */

/* Not within what is to be played.  One without times may hold channels. */
static bool outside(const struct play *play, const struct mcap_chunk *chunk)
{
	return chunk->end_ns != 0 &&
	       (chunk->end_ns < play->from_ns || chunk->start_ns > play->to_ns);
}

/* Something is wrong at the reader's place: false when that is the end. */
static bool bear(const struct play_file *file, const struct mcap_reader *reader,
	enum mcap_result result, bool *broken)
{
	char safe[1024];

	if (result == MCAP_CUT) {
		text_escape(safe, sizeof safe, file->path);
		say("%s: %s", safe, mcap_result_text(result));
		return false;
	}
	play_complain(file, result, reader->offset);
	*broken = true;
	return !mcap_reader_done(reader);
}

static bool play_file(struct play *play, struct play_file *file)
{
	bool broken = false;
	struct mcap_reader reader;
	struct mcap_record record;
	enum mcap_result result =
		mcap_reader_open(&reader, &file->source, false);

	while (result != MCAP_END && !over(play)) {
		result = mcap_reader_next(&reader, &record);
		if (result == MCAP_GOT)
			result = mcap_table_note(&file->table, &record);
		if (result < 0) {
			if (bear(file, &reader, result, &broken))
				continue;
			break;
		}
		if (record.opcode == MCAP_CHUNK && outside(play, &record.chunk))
			mcap_reader_skip(&reader);
		else if (record.opcode == MCAP_MESSAGE)
			play_message(play, file, &record.message);
		else if (record.opcode == MCAP_DATA_END)
			break; /* The summary was read. */
	}
	mcap_reader_close(&reader);
	return !broken;
}

/* ---- all ----------------------------------------------------------------- */

static bool survey(struct play *play)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < play->file_count; i++) {
		struct play_file *file = &play->files[i];

		if (!play_survey(file, &play->streams))
			return false;
		if (file->end_ns != 0 && file->start_ns < first)
			first = file->start_ns;
	}
	play->from_ns = play->from.ns;
	play->to_ns = play->to.given ? play->to.ns : UINT64_MAX;
	if (first == UINT64_MAX)
		first = 0;
	if (play->from.given && !play->from.absolute)
		play->from_ns += first;
	if (play->to.given && !play->to.absolute)
		play->to_ns += first;
	if (play->streams.count > 0)
		return true;
	complain(play->streams.pattern_count
			 ? "no topic there matches --topic"
			 : "no messages there that could be published");
	return false;
}

static void summary(const struct play *play, uint64_t begin_ns)
{
	const struct play_streams *streams = &play->streams;
	char volume[32];

	text_scaled((double)streams->bytes, volume, sizeof volume);
	say("%" PRIu64 " messages, %sB of %d publishers in %.3f s; %" PRIu64
	    " failed",
		streams->messages, volume, streams->count,
		(double)(clock_ns() - begin_ns) / 1e9, streams->failed);
	if (play->missing > 0)
		say("%" PRIu64 " more were sent then, and are not in the "
		    "recording; see 'msg file info'",
			play->missing);
}

static int publish(struct play *play, struct msg_node *node)
{
	int code = play_streams_open(&play->streams, node);
	uint64_t wait_ms = play->wait_ms;
	bool whole = true;
	uint64_t begin;

	if (code != TOOL_EXIT_OK)
		return code;
	say("playing %d publishers' messages", play->streams.count);
	if (wait_ms == WAIT_DEFAULT)
		/* Who subscribes has to connect first. */
		wait_ms = play_streams_connect(&play->streams) ? 500 : 100;
	stop_sleep(clock_ns() + wait_ms * 1000000u);
	begin = clock_ns();
	do {
		uint64_t before = play->streams.messages;

		play->based = false;
		for (int i = 0; i < play->file_count && !over(play); i++)
			if (!play_file(play, &play->files[i]))
				whole = false;
		if (play->streams.messages == before)
			break; /* Nothing there: not for ever. */
	} while (play->loop && !over(play));
	play_flush(&play->streams);
	summary(play, begin);
	stop_sleep(clock_ns() + (uint64_t)(play->linger * 1e9));
	if (play->code == TOOL_EXIT_OK && (play->streams.failed > 0 || !whole))
		return TOOL_EXIT_UNMET;
	return play->code;
}

static int play_all(struct play *play)
{
	struct msg_node *node;
	int code = TOOL_EXIT_UNMET;

	if (!survey(play))
		return TOOL_EXIT_UNMET;
	stop_catch();
	prctl(PR_SET_TIMERSLACK, 1UL); /* Wake at the deadline, not 50 us on. */
	play->lane.options.flags |= MSG_NODE_PROGRESS_THREAD;
	node = lane_open(&play->lane, &code);
	if (!node)
		return code;
	code = publish(play, node);
	play_streams_close(&play->streams);
	msg_node_close(node);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct play play = {.lane = LANE_CHOICE,
		.streams = {.wanted = MSG_PUBLISHER_OPTIONS, .batch = 1},
		.speed = 1,
		.wait_ms = WAIT_DEFAULT};
	int id, code = TOOL_EXIT_UNMET;

	play.patterns = calloc((size_t)argc + 1, sizeof(char *));
	play.files = calloc((size_t)argc + 1, sizeof *play.files);
	if (!play.patterns || !play.files)
		return TOOL_EXIT_UNMET;
	play.streams.patterns = play.patterns;
	while ((id = options_next(command, &play.lane, argc, argv)) >= 0)
		take_option(&play, id);
	if (play.streams.wanted.reliability == MSG_RELIABILITY_BEST_EFFORT)
		delivery_publishing(&play.streams.wanted);
	if (optind == argc)
		usage_fail("FILE is missing");
	for (; optind < argc; optind++)
		play.files[play.file_count++] =
			(struct play_file){.path = argv[optind], .fd = -1};
	code = play_all(&play);
	play_streams_close(&play.streams);
	for (int i = 0; i < play.file_count; i++)
		play_file_close(&play.files[i]);
	free(play.files);
	free(play.patterns);
	return code;
}

const struct command command_play = {
	"play",
	"[OPTION...] FILE...",
	"Publish again what was recorded, in its own time.",
	"Each publisher that was recorded is one again, so that the order of "
	"its messages is\nkept.  Several files are played one after the other, "
	"as the parts of one recording.\nFiles may be of any MCAP writer; "
	"channels whose name is no topic are left out.\nThe summary goes to "
	"stderr.  See msg-play(1).",
	options,
	true,
	run,
};
