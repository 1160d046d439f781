/* SPDX-License-Identifier: BSD-2-Clause */
/* type_policy.c - publishers of another type; see type_policy.h. */
#include "api/type_policy.h"

#include <msg/stats.h>

#include "base/trail.h"
#include "schema/type.h"

int msg_type_expected_open(struct msg_type_expected *e,
	const struct msg_subscriber_options *o, const struct msg_log *log)
{
	if (o->type_policy > MSG_TYPE_REFUSE)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"type_policy is %u; use enum msg_type_policy",
			o->type_policy);
	if (o->type_policy != MSG_TYPE_DEFAULT && !o->type)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"type_policy is set, but no type; set it, too");
	e->type = msg_schema_type_keep(o->type);
	e->policy = o->type_policy == MSG_TYPE_DEFAULT ? MSG_TYPE_WARN
						       : o->type_policy;
	e->log = log;
	return 0;
}

void msg_type_expected_close(struct msg_type_expected *e)
{
	msg_schema_type_drop(e->type);
}

uint64_t msg_type_expected_hash(const struct msg_type_expected *e)
{
	return e->type ? e->type->hash : 0;
}

static bool is_other(
	const struct msg_type_expected *e, uint32_t count, uint64_t publisher)
{
	for (uint32_t i = 0; i < count; i++)
		if (e->publishers[i] == publisher)
			return true;
	return false;
}

bool msg_type_expected_note(struct msg_type_expected *e, const char *topic,
	uint64_t publisher, const char *name)
{
	uint32_t count = msg_load(&e->count, relaxed);

	if (!e->type || count == MSG_TYPE_POLICY_MAX ||
		is_other(e, count, publisher))
		return false;
	e->publishers[count] = publisher;
	/* Release; partner: msg_type_expected_sift, on another thread if this
	 * is the progress thread: the publisher before its number. */
	msg_store(&e->count, count + 1, release);
	msg_log(e->log, MSG_LOG_WARNING, "type-mismatch",
		"publisher %016llx of '%s' %s%s%s, and not this %s: %s",
		(unsigned long long)publisher, topic,
		*name ? "is of type " : "names no type", name,
		*name ? " of another version or kind" : "", e->type->name,
		e->policy == MSG_TYPE_REFUSE
			? "its messages are dropped"
			: "its messages are taken all the same");
	return true;
}

int msg_type_expected_sift(struct msg_type_expected *e, struct msg_inbox *inbox,
	struct msg_view *views, int count)
{
	/* Acquire; partner: msg_type_expected_note. */
	uint32_t others = msg_load(&e->count, acquire);
	int left = 0;

	if (others == 0 || e->policy != MSG_TYPE_REFUSE)
		return count;
	for (int i = 0; i < count; i++) {
		if (views[i].event == MSG_EVENT_MESSAGE &&
			is_other(e, others, views[i].publisher)) {
			msg_inbox_release(inbox, &views[i], 1);
			msg_counter_add(
				&inbox->counters[MSG_COUNTER_TYPE_REFUSED], 1);
		} else {
			views[left++] = views[i];
		}
	}
	return left;
}
