/* SPDX-License-Identifier: BSD-2-Clause */
/* delivery.c - how hard a topic shall try; see delivery.h. */
#include "api/delivery.h"

#include "api/options.h"
#include "base/trail.h"

#define HISTORY_BYTES_MIN ((size_t)64 << 10)
/* With the buffers that may be lent out, which serve as history while they are
 * not, some 6 ms of a lane at 10 Gb/s and 0.5 s of one that carries 100,000
 * messages of 100 bytes a second one by one: what a receiver that the kernel put
 * aside for a while has to ask for.  16 MiB cost 7 to 13 % of the rate, because
 * each frame is then written where no near cache has it (tests/perf/README.md). */
#define HISTORY_BYTES_DEFAULT ((size_t)4 << 20)
#define HISTORY_BYTES_MAX ((size_t)4 << 30)
#define HISTORY_MS_MAX 3600000u
#define FLOW_COUNT_MAX 1024u
#define GIVE_UP_MS_MIN 10u
#define GIVE_UP_MS_DEFAULT 1000u
#define MS_MAX 60000u
#define LARGE_MEMORY_DEFAULT ((size_t)64 << 20)
#define LARGE_MEMORY_MAX ((size_t)1 << 40) /* What a broker may be asked for. */

static int check_reliability(uint32_t reliability, enum msg_delivery_way way)
{
	if (reliability == MSG_RELIABILITY_RC &&
		(way == MSG_DELIVERY_NO_RC || way == MSG_DELIVERY_BEST_EFFORT))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"reliability is MSG_RELIABILITY_RC, and the broker takes "
			"no such topics; start a newer one, or open the node "
			"with MSG_BROKER_NEVER");
	if (reliability > MSG_RELIABILITY_RC)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"reliability is %u; use enum msg_reliability",
			reliability);
	return 0;
}

static int refuse_reliable(void)
{
	return msg_fail(MSG_ERROR_ARGUMENT,
		"the broker takes no reliable topics; start a newer one, or "
		"open the node with MSG_BROKER_NEVER");
}

/* ---- large messages ----------------------------------------------------- */

/* Of either side; `least` is the memory by default. */
static int complete_large(size_t *bytes_max, size_t *memory, size_t least)
{
	if (*bytes_max == 0)
		return *memory == 0
			       ? 0
			       : msg_fail(MSG_ERROR_ARGUMENT,
					 "large_memory_bytes is %zu, but "
					 "large_bytes_max is 0; set it",
					 *memory);
	if (*bytes_max > MSG_LARGE_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"large_bytes_max is %zu; give at most %u", *bytes_max,
			MSG_LARGE_BYTES_MAX);
	if (*memory == 0)
		*memory = 2 * *bytes_max > least ? 2 * *bytes_max : least;
	if (*memory < *bytes_max)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"large_memory_bytes is %zu, less than one message of "
			"large_bytes_max, %zu; give at least that",
			*memory, *bytes_max);
	if (*memory > LARGE_MEMORY_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"large_memory_bytes is %zu; give at most %zu", *memory,
			LARGE_MEMORY_MAX);
	/* In whole pages, as it is given out. */
	*memory = (*memory + 4095) & ~(size_t)4095;
	return 0;
}

/* ---- publisher --------------------------------------------------------- */

/* The first field of reliable topics that is set; NULL: none. */
static const char *reliable_field(const struct msg_publisher_options *o)
{
	if (o->flow)
		return "flow";
	if (o->history_bytes)
		return "history_bytes";
	if (o->history_ms)
		return "history_ms";
	if (o->flow_count)
		return "flow_count";
	if (o->give_up_ms)
		return "give_up_ms";
	if (o->linger_ms)
		return "linger_ms";
	if (o->large_bytes_max)
		return "large_bytes_max";
	if (o->large_memory_bytes)
		return "large_memory_bytes";
	return NULL;
}

static int complete_flow(struct msg_publisher_options *o)
{
	if (o->flow > MSG_FLOW_K_OF_N)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"flow is %u; use enum msg_flow_control", o->flow);
	if (o->flow != MSG_FLOW_K_OF_N)
		return o->flow_count == 0
			       ? 0
			       : msg_fail(MSG_ERROR_ARGUMENT,
					 "flow_count is %u, but flow is not "
					 "MSG_FLOW_K_OF_N; leave it 0",
					 o->flow_count);
	if (o->flow_count < 1 || o->flow_count > FLOW_COUNT_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"flow_count is %u; say how many receivers "
			"MSG_FLOW_K_OF_N waits for, 1 to %u",
			o->flow_count, FLOW_COUNT_MAX);
	return 0;
}

static int complete_history(struct msg_publisher_options *o)
{
	if (o->history_bytes == 0)
		o->history_bytes = HISTORY_BYTES_DEFAULT;
	if (o->history_bytes < HISTORY_BYTES_MIN ||
		o->history_bytes > HISTORY_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"history_bytes is %zu; give %zu to %zu, or 0 for the "
			"default",
			o->history_bytes, HISTORY_BYTES_MIN, HISTORY_BYTES_MAX);
	/* 0, no limit, is the default. */
	return o->history_ms == 0
		       ? 0
		       : msg_options_number(&o->history_ms, "history_ms", NULL,
				 0, 1, HISTORY_MS_MAX);
}

int msg_delivery_publisher(
	struct msg_publisher_options *o, enum msg_delivery_way way)
{
	const char *field = reliable_field(o);
	int result = check_reliability(o->reliability, way);

	if (result < 0)
		return result;
	if (o->reliability < MSG_RELIABILITY_RELIABLE) {
		o->reliability = MSG_RELIABILITY_BEST_EFFORT;
		return field ? msg_fail(MSG_ERROR_ARGUMENT,
				       "%s is set, but the topic is best "
				       "effort; set reliability to "
				       "MSG_RELIABILITY_RELIABLE",
				       field)
			     : 0;
	}
	if (way == MSG_DELIVERY_BEST_EFFORT)
		return refuse_reliable();
	/* Whoever is connected is waited for, or why connect? */
	if (o->reliability == MSG_RELIABILITY_RC && o->flow == MSG_FLOW_NONE)
		o->flow = MSG_FLOW_MIN;
	result = complete_flow(o);
	if (result == 0)
		result = complete_large(&o->large_bytes_max,
			&o->large_memory_bytes, LARGE_MEMORY_DEFAULT);
	if (result == 0)
		result = complete_history(o);
	if (result == 0)
		result = msg_options_number(&o->give_up_ms, "give_up_ms", NULL,
			GIVE_UP_MS_DEFAULT, GIVE_UP_MS_MIN, MS_MAX);
	if (result == 0)
		result = msg_options_number(&o->linger_ms, "linger_ms", NULL,
			GIVE_UP_MS_DEFAULT, 1, MS_MAX);
	return result;
}

/* ---- subscriber -------------------------------------------------------- */

/* A broker is one receiver for all its subscribers, and as patient as the most
 * patient of them.  Who wants no repair does not ask for more than the least. */
static uint32_t default_patience(
	const struct msg_subscriber_options *o, enum msg_delivery_way way)
{
	return way != MSG_DELIVERY_LANE &&
			       o->reliability == MSG_RELIABILITY_BEST_EFFORT
		       ? GIVE_UP_MS_MIN
		       : GIVE_UP_MS_DEFAULT;
}

int msg_delivery_subscriber(
	struct msg_subscriber_options *o, enum msg_delivery_way way)
{
	int result = check_reliability(o->reliability, way);

	if (result == 0 && way == MSG_DELIVERY_BEST_EFFORT &&
		o->reliability == MSG_RELIABILITY_RELIABLE)
		result = refuse_reliable();
	if (result < 0)
		return result;
	if (o->reliability == MSG_RELIABILITY_BEST_EFFORT &&
		(o->history_count || o->tagged || o->large_bytes_max))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s is set, but reliability is "
			"MSG_RELIABILITY_BEST_EFFORT: nothing is asked of "
			"anybody; leave one of them 0",
			o->history_count ? "history_count"
			: o->tagged      ? "tagged"
					 : "large_bytes_max");
	result = complete_large(
		&o->large_bytes_max, &o->large_memory_bytes, 0);
	if (result < 0)
		return result;
	if (o->reliability == MSG_RELIABILITY_DEFAULT)
		o->reliability = MSG_RELIABILITY_RELIABLE;
	return msg_options_number(&o->give_up_ms, "give_up_ms", NULL,
		default_patience(o, way), GIVE_UP_MS_MIN, MS_MAX);
}
