/* SPDX-License-Identifier: BSD-2-Clause */
/* subscription.c - rings that come and go, and taking; see subscription.h. */
#include "topic/subscription.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"

/* Takes between looks at the clock while messages keep coming: a broker's death
 * and return are noticed then, too. */
#define TAKES_PER_LOOK 16u
/* A local publisher that does not come to a broker that is back writes on into
 * its old ring, until it makes its next call.  For how long to believe that. */
#define ORPHAN_NS (60 * MSG_NS_PER_S)
/* The patience of a broker that knows of no other. */
#define GIVE_UP_MS_OLD 1000u

/* ---- sources ----------------------------------------------------------- */

static struct msg_source *find_place(struct msg_subscription *s)
{
	for (uint32_t i = 0; i < s->source_count; i++)
		if (!s->sources[i].ring)
			return &s->sources[i];
	if (s->source_count == MSG_SUBSCRIPTION_RINGS_MAX)
		return NULL;
	return &s->sources[s->source_count++];
}

static struct msg_source *find_number(
	struct msg_subscription *s, uint32_t number)
{
	for (uint32_t i = 0; i < s->source_count; i++)
		if (s->sources[i].ring && s->sources[i].number == number &&
			s->sources[i].session == s->session)
			return &s->sources[i];
	return NULL;
}

/* Who wrote for the same publishers before: the latest of those. */
static struct msg_inbox_ring *find_previous(
	struct msg_subscription *s, const struct msg_source *source)
{
	const struct msg_source *found = NULL;

	for (uint32_t i = 0; i < s->source_count; i++) {
		const struct msg_source *other = &s->sources[i];

		if (other->ring && other->session != s->session &&
			other->origin == source->origin &&
			other->publisher == source->publisher &&
			other->topic == source->topic &&
			(!found || other->session > found->session))
			found = other;
	}
	return found ? found->ring : NULL;
}

/* Stable for a name, whichever broker says it. */
static int number_topic(
	struct msg_subscription *s, const char *topic, uint32_t *number)
{
	uint32_t count = msg_load(&s->topic_count, relaxed);
	uint32_t i = 0;

	while (i < count && strcmp(s->topics[i], topic) != 0)
		i++;
	if (i == MSG_SUBSCRIPTION_TOPICS_MAX)
		return msg_fail(MSG_ERROR_MEMORY,
			"'%s' covers more than %u topics; narrow it",
			s->said.pattern, MSG_SUBSCRIPTION_TOPICS_MAX);
	if (i == count) {
		snprintf(s->topics[i], sizeof *s->topics, "%s", topic);
		/* Release; partner: msg_subscription_topic, outside the gate. */
		msg_store(&s->topic_count, count + 1, release);
	}
	*number = i;
	return 0;
}

static int read_ring(struct msg_subscription *s, struct msg_source *source,
	const struct msg_control_ring *said)
{
	struct msg_inbox_ring_options options = {
		.header = (const struct msg_ring_header *)source->entries.base,
		.entry_count = said->entry_count,
		.ledger = (struct msg_ring_ledger *)source->ledger.base,
		.number = said->reader,
		.start = said->start,
		.pool = source->pool->segment.base,
		.pool_bytes = said->pool_bytes,
		.area = source->area.base,
		.area_bytes = said->large_bytes,
		.publisher = said->publisher,
		.topic = source->topic,
		.held_max = said->hold_max,
		.history = said->history,
		.history_count = s->said.history_count,
		.previous = find_previous(s, source),
	};

	return msg_inbox_add(&s->inbox, &options, &source->ring);
}

/* A ring we do not read: its writer is not to wait for us.  A claim that cannot
 * be true makes it forget us (pool/ring_writer.c). */
static void resign(const struct msg_control_ring *said, int fd)
{
	struct msg_shm_segment ledger = MSG_SHM_SEGMENT;

	if (msg_shm_segment_map_writable(&ledger, fd,
		    msg_ring_ledger_bytes(said->hold_max)) < 0)
		return;
	msg_store(&((struct msg_ring_ledger *)ledger.base)->next, UINT64_MAX,
		release);
	msg_shm_segment_close(&ledger);
}

/* Whether one more local publisher may be followed. */
static bool may_follow(struct msg_subscription *s)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->source_count; i++)
		count += s->sources[i].ring && !s->sources[i].ended &&
			 s->sources[i].origin == MSG_CONTROL_LOCAL &&
			 s->sources[i].session == s->session;
	return count < s->publisher_count_max;
}

static int add_source(struct msg_subscription *s,
	const struct msg_control_ring *said, const int *fds)
{
	enum msg_counter_index counter = MSG_COUNTER_TOPICS_REFUSED;
	struct msg_source *source = find_place(s);
	int result;

	if (said->origin == MSG_CONTROL_LOCAL && !may_follow(s)) {
		counter = MSG_COUNTER_PUBLISHERS_REFUSED;
		source = NULL;
	}
	/* One that cannot be read is one stream missing, not the end of all. */
	if (!source) {
		msg_counter_add(&s->counters[counter], 1);
		resign(said, fds[2]);
		return 0;
	}
	*source = (struct msg_source){
		.entries = MSG_SHM_SEGMENT,
		.ledger = MSG_SHM_SEGMENT,
		.area = MSG_SHM_SEGMENT,
		.number = said->number,
		.session = s->session,
		.origin = said->origin,
		.publisher =
			said->origin == MSG_CONTROL_LOCAL ? said->publisher : 0,
	};
	result = number_topic(s, said->topic, &source->topic);
	if (result == 0)
		result = subscription_map(s, source, said, fds);
	if (result == 0)
		result = read_ring(s, source, said);
	if (result < 0) {
		subscription_unmap(source);
		msg_counter_add(&s->counters[counter], 1);
		resign(said, fds[2]);
	} else {
		subscription_came(s, source, said->program);
	}
	return 0;
}

/* Unmap what is drained and will stay so, and of which no view is out. */
static void clear_out(struct msg_subscription *s)
{
	uint64_t now = msg_clock_coarse_ns();

	for (uint32_t i = 0; i < s->source_count; i++) {
		struct msg_source *source = &s->sources[i];

		if (!source->ring || !msg_inbox_drained(source->ring))
			continue;
		if (source->session != s->session && source->give_up == 0 &&
			s->client.phase == MSG_CLIENT_SERVED)
			source->give_up = now + ORPHAN_NS;
		/* It takes one take more then to read it to its end. */
		if (source->give_up != 0 && now > source->give_up &&
			!source->ring->finished && !source->gone) {
			subscription_went(s, source, false);
			continue;
		}
		if ((source->ended || source->ring->finished ||
			    source->ring->stopped ||
			    (source->give_up != 0 && now > source->give_up)) &&
			msg_inbox_remove(&s->inbox, source->ring)) {
			subscription_unmap(source);
			subscription_left(s, source->session);
		}
	}
}

/* ---- what the broker says ---------------------------------------------- */

/* Streams that the broker could not give us: too many, or no quota is left. */
static void count_left_out(struct msg_subscription *s)
{
	uint32_t now = msg_client_left_out(&s->client);
	enum msg_counter_index counter = msg_name_is_pattern(s->said.pattern)
						 ? MSG_COUNTER_TOPICS_REFUSED
						 : MSG_COUNTER_PUBLISHERS_REFUSED;

	if (now == s->left_out)
		return;
	msg_counter_add(&s->counters[counter], now - s->left_out);
	s->left_out = now;
}

/* An older broker would not know of them, and give less without a word. */
static int check_wishes(const struct msg_subscription *s)
{
	const char *wish = NULL;

	if (s->said.large_bytes_max && !s->client.welcome.large)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the broker at %s takes no large messages; start a newer "
			"one, leave large_bytes_max 0, or open the node with "
			"MSG_BROKER_NEVER",
			s->client.path);
	if (s->said.history_count)
		wish = "history_count";
	else if (s->said.tagged)
		wish = "tagged";
	else if (s->said.give_up_ms > GIVE_UP_MS_OLD)
		wish = "give_up_ms";
	if (!wish || s->client.welcome.wishes)
		return 0;
	return msg_fail(MSG_ERROR_ARGUMENT,
		"the broker at %s does not know %s; start a newer one, leave it "
		"0, or open the node with MSG_BROKER_NEVER",
		s->client.path, wish);
}

static int ask(void *context)
{
	struct msg_subscription *s = context;
	struct msg_control control = {
		.kind = MSG_CONTROL_SUBSCRIBE, .subscribe = s->said};
	int result = check_wishes(s);

	if (result == 0)
		result = subscription_watch_socket(s);
	return result < 0 ? result : msg_client_say(&s->client, &control);
}

static int subscribed(
	struct msg_subscription *s, struct msg_control_frame *frame)
{
	int result;

	if (s->client.phase != MSG_CLIENT_ASKING)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s answers what was not asked",
			s->client.path);
	result = subscription_watch_doorbell(s, frame->fds[0]);
	if (result < 0)
		return result;
	frame->fds[0] = -1;
	if (s->session++ > 0) {
		msg_counter_add(&s->counters[MSG_COUNTER_REATTACHED], 1);
		subscription_left(s, s->session - 1);
	}
	/* What was sent before is not to come twice. */
	s->said.resumes = true;
	s->client.phase = MSG_CLIENT_SERVED;
	subscription_set_timer(s);
	return 0;
}

static void hear_typed(
	struct msg_subscription *s, const struct msg_control_typed *said)
{
	uint32_t topic;

	if (s->typed && s->typed(s->typed_context, said) &&
		number_topic(s, said->topic, &topic) == 0)
		msg_inbox_owe_other(&s->inbox, said->publisher, topic);
}

static int hear(void *context, const struct msg_control *said,
	struct msg_control_frame *frame)
{
	struct msg_subscription *s = context;
	struct msg_source *source;

	if (said->kind == MSG_CONTROL_SUBSCRIBED)
		return subscribed(s, frame);
	if (s->client.phase == MSG_CLIENT_SERVED) {
		switch (said->kind) {
		case MSG_CONTROL_RING:
			return add_source(s, &said->ring, frame->fds);
		case MSG_CONTROL_TYPED:
			hear_typed(s, &said->typed);
			return 0;
		case MSG_CONTROL_RING_GONE:
			source = find_number(s, said->ring_gone.number);
			if (!source)
				return 0;
			source->ended = true;
			subscription_went(s, source, said->ring_gone.left);
			return 0;
		default:
			break;
		}
	}
	return msg_fail(MSG_ERROR_FABRIC,
		"the broker at %s says %s to a subscriber", s->client.path,
		msg_control_kind_name(said->kind));
}

/* Of a broker that died the rings stay as they are, and local publishers still
 * know us.  One that threw us out has told them that we are gone: what they
 * wrote may be overwritten without regard for us. */
static void lost(void *context, bool refused)
{
	struct msg_subscription *s = context;

	if (refused && s->client.refused.code == MSG_ERROR_EVICTED)
		s->evicted = true;
	s->left_out = 0; /* The next one counts anew. */
	for (uint32_t i = 0; i < s->source_count; i++) {
		struct msg_source *source = &s->sources[i];

		if (!source->ring || source->session != s->session)
			continue;
		if (refused)
			msg_inbox_stop(&s->inbox, source->ring);
		if (source->origin == MSG_CONTROL_NETWORK)
			source->ended = true;
	}
	subscription_set_timer(s);
}

static const struct msg_client_calls calls = {
	.ask = ask,
	.hear = hear,
	.lost = lost,
};

/* ---- open, close ------------------------------------------------------- */

/* One that is armed wakes by itself, if it sleeps; then what it was woken for
 * must not be gone when it looks. */
static void attend_idle(void *context)
{
	struct msg_subscription *s = context;

	if (s->armed && !subscription_is_rung(s))
		return;
	subscription_turn(s);
	if (s->armed)
		subscription_ring(s);
}

static int open_inbox(
	struct msg_subscription *s, const struct msg_subscription_options *o)
{
	struct msg_inbox_options options = {
		.record_count = o->hold_max,
		.ring_max = MSG_SUBSCRIPTION_RINGS_MAX,
		.publisher_count_max = o->publisher_count_max,
		.message_bytes_max = o->message_bytes_max,
		.large_bytes_max = o->large_bytes_max,
		.counts_losses = true,
		.events = o->events,
		.counters = s->counters,
	};
	int result = msg_inbox_open(&s->inbox, &options);

	if (result < 0)
		return result;
	s->sources = calloc(MSG_SUBSCRIPTION_RINGS_MAX, sizeof *s->sources);
	s->topics = calloc(MSG_SUBSCRIPTION_TOPICS_MAX, sizeof *s->topics);
	s->pools = calloc(MSG_SUBSCRIPTION_RINGS_MAX, sizeof *s->pools);
	s->doorbells =
		calloc(MSG_SUBSCRIPTION_DOORBELLS_MAX, sizeof *s->doorbells);
	if (!s->sources || !s->topics || !s->pools || !s->doorbells)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for a subscription");
	return 0;
}

int msg_subscription_open(
	struct msg_subscription *s, const struct msg_subscription_options *o)
{
	int result;

	memset(s, 0, sizeof *s);
	s->attended.due = &s->client.due;
	s->attended.turn = attend_idle;
	s->attended.context = s;
	s->spin_us = o->spin_us;
	s->publisher_count_max = o->publisher_count_max;
	s->evictable = o->slow == MSG_SLOW_EVICT;
	snprintf(s->said.pattern, sizeof s->said.pattern, "%s", o->pattern);
	s->said.policy = o->slow;
	s->said.type_hash = o->type_hash;
	s->typed = o->typed;
	s->typed_context = o->typed_context;
	s->said.hold_max = o->hold_max;
	s->said.message_bytes_max = o->message_bytes_max;
	s->said.events = o->events;
	s->said.history_count = o->history_count;
	s->said.tagged = o->tagged;
	s->said.best_effort = o->best_effort;
	s->said.give_up_ms = o->give_up_ms;
	s->said.large_bytes_max = o->large_bytes_max;
	result = subscription_open_descriptors(s);
	if (result == 0)
		result = open_inbox(s, o);
	if (result == 0)
		result = msg_client_open(
			&s->client, o->path, MSG_CONTROL_SUBSCRIBER, &calls, s);
	if (result == 0)
		result = msg_client_await(&s->client, MSG_CLIENT_ANSWER_NS);
	if (result < 0)
		msg_subscription_close(s);
	return result;
}

void msg_subscription_close(struct msg_subscription *s)
{
	msg_client_close(&s->client);
	for (uint32_t i = 0; i < s->source_count; i++)
		if (s->sources[i].ring)
			subscription_unmap(&s->sources[i]);
	msg_inbox_close(&s->inbox);
	subscription_close_descriptors(s);
	free(s->sources);
	free(s->topics);
	free(s->pools);
	free(s->doorbells);
	s->doorbells = NULL;
	s->sources = NULL;
	s->topics = NULL;
	s->pools = NULL;
}

const char *msg_subscription_topic(
	const struct msg_subscription *s, uint32_t topic)
{
	return topic < msg_load(&s->topic_count, acquire) ? s->topics[topic]
							  : "";
}

/* ---- taking ------------------------------------------------------------ */

void subscription_turn(struct msg_subscription *s)
{
	msg_client_turn(&s->client);
	count_left_out(s);
	clear_out(s);
}

bool subscription_is_ready(const struct msg_subscription *s)
{
	return s->evicted || msg_inbox_ready(&s->inbox);
}

static void wake_up(struct msg_subscription *s)
{
	s->armed = false;
	for (uint32_t i = 0; i < s->inbox.ring_count; i++)
		msg_ring_awake(&s->inbox.rings[i]->reader);
}

/* Nothing was there, or what was may be void.  `slept`: something woke us, and
 * if it was no message it was the socket. */
static __attribute__((noinline)) int take_less(
	struct msg_subscription *s, struct msg_view *views, int n, bool slept)
{
	if (s->evicted || msg_inbox_evicted(&s->inbox)) {
		s->evicted = true;
		msg_inbox_release(&s->inbox, views, n);
		if (!s->eviction_told &&
			msg_inbox_tell_evicted(&s->inbox, views)) {
			s->eviction_told = true;
			return 1;
		}
		return -MSG_ERROR_EVICTED;
	}
	if (n > 0)
		return n;
	if (subscription_is_starved(s))
		msg_counter_add(&s->counters[MSG_COUNTER_STARVED], 1);
	if (slept || msg_client_is_due(&s->client))
		subscription_turn(s);
	return 0;
}

/* It slept, or it is time to look what the broker says. */
static __attribute__((noinline)) int take_apart(
	struct msg_subscription *s, struct msg_view *views, int count)
{
	bool slept = s->armed;
	int n;

	s->unlooked = TAKES_PER_LOOK - 1;
	if (msg_client_has_news(&s->client) || msg_client_is_due(&s->client))
		subscription_turn(s);
	if (slept)
		wake_up(s);
	n = msg_inbox_take(&s->inbox, views, count);
	return n > 0 && !s->evictable ? n : take_less(s, views, n, slept);
}

static int take(struct msg_subscription *s, struct msg_view *views, int count)
{
	int n;

	if (s->unlooked == 0 || msg_client_has_news(&s->client))
		return take_apart(s, views, count);
	s->unlooked--;
	n = msg_inbox_take(&s->inbox, views, count);
	return n > 0 && !s->evictable ? n : take_less(s, views, n, false);
}

int msg_subscription_take_none(
	struct msg_subscription *s, struct msg_view *views)
{
	int n = take_less(s, views, 0, false);

	msg_gate_leave(&s->attended.gate);
	return n;
}

int msg_subscription_take(
	struct msg_subscription *s, struct msg_view *views, int count)
{
	int n;

	msg_gate_enter(&s->attended.gate);
	n = take(s, views, count);
	msg_gate_leave(&s->attended.gate);
	return n;
}

bool msg_subscription_busy(struct msg_subscription *s)
{
	bool busy;

	msg_gate_enter(&s->attended.gate);
	busy = msg_inbox_busy(&s->inbox);
	msg_gate_leave(&s->attended.gate);
	return busy;
}
