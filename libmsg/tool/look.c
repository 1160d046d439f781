/* SPDX-License-Identifier: BSD-2-Clause */
/* look.c - who publishes and reads through a broker; see look.h. */
#include "look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "lane.h"
#include "options.h"
#include "text.h"

/* A reader that took nothing for that long, with something to take. */
#define STUCK_SECONDS 0.25

const char *const look_sort_names[LOOK_SORT_COUNT + 1] = {
	"topic", "rate", "lag", "held", "lost", NULL};

/* ---- names ----------------------------------------------------------------- */

const char *look_state_name(uint32_t state)
{
	switch (state) {
	case MSG_BROKER_STATE_GONE:
		return "gone";
	case MSG_BROKER_STATE_RUNNING:
		return "running";
	case MSG_BROKER_STATE_STOPPED:
		return "stopped";
	case MSG_BROKER_STATE_STUCK:
		return "stuck";
	default:
		return "unknown";
	}
}

const char *look_policy(uint32_t slow)
{
	switch (slow) {
	case MSG_SLOW_LAP:
		return "lap";
	case MSG_SLOW_EVICT:
		return "evict";
	case MSG_SLOW_BLOCK:
		return "block";
	default:
		return "-";
	}
}

const char *look_program(const struct look_line *line)
{
	if (line->publisher)
		return line->publisher->program;
	if (line->reader->flags & MSG_BROKER_READER_RELAY)
		return "(to the network)";
	return line->client ? line->client->program : "";
}

uint32_t look_pid(const struct look_line *line)
{
	if (line->publisher)
		return line->publisher->pid;
	return line->client ? line->client->pid : 0;
}

uint32_t look_uid(const struct look_line *line)
{
	if (line->publisher)
		return line->publisher->uid;
	return line->client ? line->client->uid : 0;
}

const char *look_role(const struct look_line *line)
{
	if (line->publisher)
		return line->publisher->local ? "publisher" : "remote";
	return line->reader->flags & MSG_BROKER_READER_RELAY ? "relay"
							     : "subscriber";
}

/* It has something to take, and took nothing while we looked. */
static bool is_stuck(const struct look *look, const struct look_line *line)
{
	return line->reader && look->seconds >= STUCK_SECONDS &&
	       line->reader->counts.lag > 0 && line->rate == 0 &&
	       !(line->reader->flags & MSG_BROKER_READER_RELAY);
}

const char *look_line_state(
	const struct look *look, const struct look_line *line)
{
	if (line->publisher)
		return line->publisher->local && line->publisher->client == 0
			       ? "gone"
			       : "";
	if (line->reader->flags & MSG_BROKER_READER_EVICTED)
		return "evicted";
	if (is_stuck(look, line))
		return "stuck";
	if (line->reader->flags & MSG_BROKER_READER_SLOW)
		return "slow";
	return line->reader->flags & MSG_BROKER_READER_ASLEEP ? "asleep"
							      : "awake";
}

bool look_is_slow(const struct look *look, const struct look_line *line)
{
	return line->reader &&
	       (is_stuck(look, line) ||
		       (line->reader->flags &
			       (MSG_BROKER_READER_SLOW |
				       MSG_BROKER_READER_EVICTED)));
}

/* ---- lines ----------------------------------------------------------------- */

static const struct msg_broker_stream *find_stream(
	struct msg_broker *broker, uint64_t id)
{
	const struct msg_broker_stream *s;

	for (uint32_t i = 0; (s = msg_broker_stream(broker, i)) != NULL; i++)
		if (s->id == id)
			return s;
	return NULL;
}

static const struct msg_broker_client *find_client(
	struct msg_broker *broker, uint64_t id)
{
	const struct msg_broker_client *c;

	for (uint32_t i = 0; id && (c = msg_broker_client(broker, i)); i++)
		if (c->id == id)
			return c;
	return NULL;
}

static struct look_key key_of(const struct look_line *line)
{
	struct look_key key = {
		.stream = line->stream->id,
		.who = line->publisher ? line->publisher->id
				       : line->reader->client,
		.publishes = line->publisher != NULL,
		.count = line->count,
		.lost = line->lost,
		.rate = line->rate,
		.lost_rate = line->lost_rate,
	};

	return key;
}

static const struct look_key *find_before(
	const struct look *look, const struct look_line *line)
{
	struct look_key key = key_of(line);

	for (int i = 0; i < look->before_count; i++)
		if (look->before[i].stream == key.stream &&
			look->before[i].who == key.who &&
			look->before[i].publishes == key.publishes)
			return &look->before[i];
	return NULL;
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before ? (double)(now - before) / seconds : 0;
}

static bool is_alive(const struct look *look)
{
	return msg_broker_info(look->broker)->state == MSG_BROKER_STATE_RUNNING;
}

static void add(struct look *look, struct look_line *line)
{
	const struct look_key *before;
	struct look_line *more;

	if (!line->stream)
		return;
	if (look->count == look->capacity) {
		int capacity = look->capacity ? 2 * look->capacity : 64;

		more = realloc(look->lines, (size_t)capacity * sizeof *more);
		if (!more)
			return;
		look->lines = more;
		look->capacity = capacity;
	}
	line->rate = line->lost_rate = NAN;
	before = find_before(look, line);
	if (before && look->seconds > 0) {
		line->rate = rate(line->count, before->count, look->seconds);
		line->lost_rate = rate(line->lost, before->lost, look->seconds);
	} else if (before && is_alive(look)) {
		/* It wrote nothing since: what was true still is. */
		line->rate = before->rate;
		line->lost_rate = before->lost_rate;
	}
	look->lines[look->count++] = *line;
}

static void add_all(struct look *look)
{
	struct msg_broker *b = look->broker;
	const struct msg_broker_publisher *p;
	const struct msg_broker_reader *r;

	look->count = 0;
	for (uint32_t i = 0; (p = msg_broker_publisher(b, i)) != NULL; i++) {
		struct look_line line = {
			.stream = find_stream(b, p->stream),
			.publisher = p,
			.client = find_client(b, p->client),
			.count = p->counts.messages,
			.lost = p->counts.lost,
		};

		add(look, &line);
	}
	for (uint32_t i = 0; (r = msg_broker_reader(b, i)) != NULL; i++) {
		struct look_line line = {
			.stream = find_stream(b, r->stream),
			.reader = r,
			.client = find_client(b, r->client),
			.count = r->counts.taken,
			.lost = r->counts.lost,
		};

		add(look, &line);
	}
}

/* ---- looking --------------------------------------------------------------- */

static void remember(struct look *look)
{
	const struct msg_broker_info *info = msg_broker_info(look->broker);
	struct look_key *keys =
		realloc(look->before, (size_t)(look->count + 1) * sizeof *keys);

	look->before_count = 0;
	if (!keys)
		return;
	look->before = keys;
	for (int i = 0; i < look->count; i++)
		keys[look->before_count++] = key_of(&look->lines[i]);
	look->before_ns = info->time_ns;
	look->before_epoch = info->epoch;
}

static void describe(struct look *look)
{
	const struct msg_broker_info *info = msg_broker_info(look->broker);

	if (info->epoch != look->before_epoch)
		look->before_count = 0;
	look->seconds =
		look->before_count > 0 && info->time_ns > look->before_ns
			? (double)(info->time_ns - look->before_ns) / 1e9
			: 0;
	add_all(look);
	look_sort(look, LOOK_BY_TOPIC, false);
}

/* Which there are, for one who asked for another. */
static void name_others(void)
{
	struct msg_broker_entry entries[8];
	int count = msg_broker_list(entries, 8);
	char names[8 * (sizeof entries->name + 2)] = "";

	for (int i = 0; i < count && i < 8; i++) {
		if (entries[i].state == MSG_BROKER_STATE_GONE)
			continue;
		strcat(names, names[0] ? ", " : "");
		strcat(names, entries[i].name);
	}
	if (names[0])
		say("there are other brokers: %s", names);
}

int look_try(struct look *look, const char *name)
{
	int error;

	memset(look, 0, sizeof *look);
	error = msg_broker_open(name, &look->broker);
	if (error == 0)
		describe(look);
	return error;
}

int look_open(struct look *look, const char *name)
{
	int error = look_try(look, name);
	int code;

	if (error == 0)
		return TOOL_EXIT_OK;
	code = lane_fail("cannot look at the broker", error);
	if (error == -MSG_ERROR_DEVICE)
		name_others();
	return code;
}

int look_again(struct look *look)
{
	int error;

	remember(look);
	error = msg_broker_read(look->broker);
	if (error < 0)
		return lane_fail("cannot look at the broker", error);
	describe(look);
	return TOOL_EXIT_OK;
}

void look_close(struct look *look)
{
	msg_broker_close(look->broker);
	free(look->lines);
	free(look->before);
	memset(look, 0, sizeof *look);
}

/* ---- sorting --------------------------------------------------------------- */

static enum look_sort sort_by;
static int sort_sign;

/* Larger first. */
static double weight(const struct look_line *line)
{
	switch (sort_by) {
	case LOOK_BY_RATE:
		return isnan(line->rate) ? -1 : line->rate;
	case LOOK_BY_LAG:
		return line->reader ? (double)line->reader->counts.lag : -1;
	case LOOK_BY_HELD:
		return line->reader ? (double)(line->reader->counts.held +
					       line->reader->counts.in_hand)
				    : -1;
	case LOOK_BY_LOST:
		return (double)line->lost;
	default:
		return 0;
	}
}

static int compare(const void *a, const void *b)
{
	const struct look_line *one = a, *other = b;
	double difference = weight(other) - weight(one);
	int order;

	if (difference < 0 || difference > 0)
		return difference < 0 ? -sort_sign : sort_sign;
	order = strcmp(one->stream->topic, other->stream->topic);
	if (order == 0)
		order = (one->stream->id > other->stream->id) -
			(one->stream->id < other->stream->id);
	if (order == 0)
		order = (one->reader != NULL) - (other->reader != NULL);
	if (order == 0)
		order = (look_pid(one) > look_pid(other)) -
			(look_pid(one) < look_pid(other));
	return sort_by == LOOK_BY_TOPIC ? order * sort_sign : order;
}

void look_sort(struct look *look, enum look_sort by, bool reverse)
{
	sort_by = by;
	sort_sign = reverse ? -1 : 1;
	if (look->count > 0)
		qsort(look->lines, (size_t)look->count, sizeof *look->lines,
			compare);
}
