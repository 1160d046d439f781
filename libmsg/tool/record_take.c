/* SPDX-License-Identifier: BSD-2-Clause */
/* record_take.c - the half of `msg record` that takes; see record_take.h. */
#include "record_take.h"

#include <string.h>

#include "delivery.h"
#include "pace.h"
#include "record_write.h"

#define TAKE_MAX 64

static void read_clock(struct record_take *take)
{
	take->log_ns = clock_ns() + take->real_minus_clock;
}

bool record_take_open(struct record_take *take, size_t queue_bytes)
{
	uint64_t real_ns = clock_read_ns(CLOCK_REALTIME);

	take->real_minus_clock = real_ns - clock_ns();
	read_clock(take);
	return record_queue_open(&take->queue, queue_bytes) &&
	       record_gaps_open(&take->gaps);
}

void record_take_close(struct record_take *take)
{
	record_queue_close(&take->queue);
	record_gaps_close(&take->gaps);
}

/* Room for an entry, its head and topic filled; NULL: the queue is full. */
static struct record_entry *entry_for(struct record_take *take,
	const char *topic, const struct record_entry *head)
{
	size_t topic_bytes = strlen(topic);
	struct record_entry *entry = record_queue_room(&take->queue,
		sizeof *entry + topic_bytes + (size_t)head->bytes);

	if (!entry)
		return NULL;
	*entry = *head;
	entry->topic_bytes = (uint32_t)topic_bytes;
	entry->log_ns = take->log_ns;
	memcpy(record_entry_topic(entry), topic, topic_bytes);
	return entry;
}

static bool tell(struct record_take *take, const char *topic,
	const struct record_entry *head)
{
	if (!entry_for(take, topic, head))
		return false;
	record_queue_put(&take->queue);
	return true;
}

bool record_take_gaps(struct record_take *take)
{
	while (record_gaps_any(&take->gaps)) {
		const struct record_gap *gap = record_gaps_last(&take->gaps);
		struct record_entry head = {
			.kind = RECORD_EVENT,
			.event = MSG_EVENT_LOST,
			.reason = gap->dropped ? RECORDING_LOSS_DISK
					       : gap->reason,
			.publisher = gap->publisher,
			.sequence = gap->sequence,
			.lost = gap->dropped + gap->lost,
			.network = gap->lost,
		};

		if (!tell(take, gap->topic, &head))
			return false;
		record_gaps_told(&take->gaps);
	}
	return true;
}

/* Whether anything may be put into the queue: not before all gaps are told, and
 * that not before a quarter of it is free, lest each message that is dropped at
 * its brim becomes a gap of its own. */
static bool resume(struct record_take *take)
{
	size_t brim = take->queue.capacity - take->queue.capacity / 4;

	if (!record_gaps_any(&take->gaps))
		return true;
	return record_queue_level(&take->queue) <= brim &&
	       record_take_gaps(take);
}

static void lose(struct record_take *take, const char *topic,
	const struct msg_view *view, enum msg_loss reason)
{
	struct record_entry head = {
		.kind = RECORD_EVENT,
		.event = MSG_EVENT_LOST,
		.reason = reason,
		.publisher = view->publisher,
		.sequence = view->sequence,
		.lost = view->lost_before,
		.network = view->lost_before,
	};

	take->lost += view->lost_before;
	if (!resume(take) || !tell(take, topic, &head))
		record_gaps_lose(&take->gaps, topic, view->publisher,
			view->sequence, view->lost_before, reason);
}

static void take_event(struct record_take *take, const char *topic,
	const struct msg_view *view)
{
	struct record_entry head = {
		.kind = RECORD_EVENT,
		.event = view->event,
		.publisher = view->publisher,
		.sequence = view->sequence,
	};

	if (view->event == MSG_EVENT_LOST)
		return; /* Told by lose(). */
	if (!resume(take) || !tell(take, topic, &head))
		take->untold++;
}

/* false: there is no room. */
static bool take_message(struct record_take *take,
	const struct msg_subscriber *subscriber, const char *topic,
	const struct msg_view *view)
{
	struct record_entry head = {
		.kind = RECORD_MESSAGE,
		.publisher = view->publisher,
		.sequence = view->sequence,
		.bytes = view->bytes,
	};
	struct record_entry *entry;

	if (!resume(take))
		return false;
	entry = entry_for(take, topic, &head);
	if (!entry || msg_subscriber_copy(subscriber, view,
			      record_entry_payload(entry), view->bytes) < 0)
		return false;
	record_queue_put(&take->queue);
	take->messages++;
	take->bytes += view->bytes;
	return true;
}

/* Whether an earlier pattern has it already. */
static bool taken_before(const struct record_take *take,
	const struct record_source *source, const char *topic)
{
	for (const struct record_source *s = take->sources; s < source; s++)
		if (msg_topic_match(s->pattern, topic) == 1)
			return true;
	return false;
}

static void take_view(struct record_take *take, struct record_source *source,
	const struct msg_view *view)
{
	const char *topic = msg_subscriber_topic(source->subscriber, view);

	if (taken_before(take, source, topic))
		return;
	if (view->lost_before > 0)
		lose(take, topic, view,
			delivery_reason(
				source->subscriber, view, &source->lapped));
	if (view->event != MSG_EVENT_MESSAGE) {
		take_event(take, topic, view);
		return;
	}
	if (take_message(take, source->subscriber, topic, view))
		return;
	take->dropped++;
	record_gaps_drop(&take->gaps, topic, view->publisher, view->sequence);
}

int record_take(
	struct record_take *take, struct record_source *source, int most)
{
	struct msg_view views[TAKE_MAX];
	int count = msg_subscriber_take(
		source->subscriber, views, most < TAKE_MAX ? most : TAKE_MAX);

	if (count <= 0)
		return count;
	read_clock(take);
	for (int i = 0; i < count; i++)
		take_view(take, source, &views[i]);
	msg_subscriber_release(source->subscriber, views, count);
	record_queue_push(&take->queue);
	return count;
}

void record_take_evicted(
	struct record_take *take, const struct record_source *source)
{
	struct record_entry head = {
		.kind = RECORD_EVENT,
		.event = MSG_EVENT_EVICTED,
	};

	read_clock(take);
	if (!resume(take) || !tell(take, source->pattern, &head))
		take->untold++;
	record_queue_push(&take->queue);
}
