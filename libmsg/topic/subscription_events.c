/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscription_events.c - local publishers come and go, told in line; see
 * subscription.h.
 *
 * Of publishers on the network the broker says so in the ring of the topic.  A
 * ring of a local one is his own, and nobody writes into it but him: that he
 * came and went is what the broker says of the ring, and its place among his
 * messages is before the first and behind the last.  Who publishes the same
 * topic with the same program as one that has gone is that one, started again.
 */
#include "topic/subscription.h"

#include <string.h>

#include "base/hash.h"

static uint64_t key_of(const struct msg_source *source, const char *program)
{
	return msg_hash_mix(msg_hash(program, strlen(program)) ^
			    msg_hash_mix(source->topic + 1ull));
}

/* Whether such a one has gone; then it is forgotten. */
static bool forget_gone(struct msg_subscription *s, uint64_t key)
{
	for (uint32_t i = 0; i < MSG_SUBSCRIPTION_GONE; i++)
		if (s->gone[i] == key) {
			s->gone[i] = 0;
			return true;
		}
	return false;
}

void subscription_came(struct msg_subscription *s, struct msg_source *source,
	const char *program)
{
	if (source->origin != MSG_CONTROL_LOCAL)
		return;
	source->key = key_of(source, program);
	/* A ring that follows another of the same publisher is no news. */
	if (source->ring->previous)
		return;
	msg_inbox_owe(&s->inbox, source->ring, MSG_EVENT_JOINED);
	source->followed = forget_gone(s, source->key);
	if (source->followed)
		msg_inbox_owe(&s->inbox, source->ring, MSG_EVENT_RESTARTED);
}

void subscription_went(
	struct msg_subscription *s, struct msg_source *source, bool left)
{
	if (source->origin != MSG_CONTROL_LOCAL || source->gone)
		return;
	source->gone = true;
	msg_inbox_owe(&s->inbox, source->ring,
		left ? MSG_EVENT_LEFT : MSG_EVENT_SILENT);
	/* It may be here again already. */
	for (uint32_t i = 0; i < s->source_count; i++) {
		struct msg_source *other = &s->sources[i];

		if (!other->ring || other == source || other->gone ||
			other->followed || other->key != source->key ||
			other->publisher == source->publisher ||
			other->session < source->session ||
			(other->session == source->session &&
				other->number < source->number))
			continue;
		other->followed = true;
		msg_inbox_owe(&s->inbox, other->ring, MSG_EVENT_RESTARTED);
		return;
	}
	s->gone[s->gone_next++ % MSG_SUBSCRIPTION_GONE] = source->key;
}
