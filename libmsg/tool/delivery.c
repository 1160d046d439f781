/* SPDX-License-Identifier: BSD-2-Clause */
/* delivery.c - how hard a topic shall try; see delivery.h. */
#include "delivery.h"

#include <string.h>

#include <msg/stats.h>

#include "options.h"

#define FLOW_COUNT_MAX 1024u

static const char *const reliabilities[] = {
	"best-effort", "reliable", "rc", NULL};

uint32_t delivery_reliability(const char *text)
{
	return (uint32_t)value_choice("--reliability", text, reliabilities) +
	       MSG_RELIABILITY_BEST_EFFORT;
}

const char *delivery_name(uint32_t reliability)
{
	return reliability >= MSG_RELIABILITY_BEST_EFFORT &&
			       reliability <= MSG_RELIABILITY_RC
		       ? reliabilities[reliability - MSG_RELIABILITY_BEST_EFFORT]
		       : "-";
}

void delivery_flow(const char *text, struct msg_publisher_options *o)
{
	static const char *const names[] = {"none", "min", "tagged", NULL};

	if (*text >= '0' && *text <= '9') {
		o->flow = MSG_FLOW_K_OF_N;
		o->flow_count = (uint32_t)value_count(
			"--flow", text, 1, FLOW_COUNT_MAX);
		return;
	}
	o->flow = (uint32_t)value_choice("--flow", text, names);
}

uint32_t delivery_history(const char *text)
{
	if (strcmp(text, "all") == 0)
		return UINT32_MAX;
	return (uint32_t)value_count("--history", text, 1, UINT32_MAX - 1);
}

void delivery_publishing(const struct msg_publisher_options *o)
{
	const char *option = o->flow              ? "--flow"
			     : o->history_bytes   ? "--history"
			     : o->history_ms      ? "--history-ms"
			     : o->give_up_ms      ? "--give-up-ms"
			     : o->large_bytes_max ? "--large"
						  : NULL;

	if (option && o->reliability <= MSG_RELIABILITY_BEST_EFFORT)
		usage_fail("%s is nothing for a best-effort topic; give "
			   "--reliability reliable or rc, too",
			option);
}

void delivery_subscribing(const struct msg_subscriber_options *o)
{
	const char *option = o->history_count     ? "--history"
			     : o->tagged          ? "--tagged"
			     : o->large_bytes_max ? "--large"
						  : NULL;

	if (option && o->reliability == MSG_RELIABILITY_BEST_EFFORT)
		usage_fail("%s and --reliability best-effort exclude each "
			   "other: that asks nobody for anything",
			option);
}

const char *delivery_event(uint32_t event)
{
	static const char *const names[] = {"message", "lost", "joined",
		"left", "silent", "restarted", "evicted", "other-type"};

	return event < sizeof names / sizeof *names ? names[event] : "event";
}

const char *delivery_loss(uint32_t reason)
{
	static const char *const names[] = {"unknown", "network", "lapped",
		"history", "gave-up", "too-large"};

	return reason < sizeof names / sizeof *names ? names[reason]
						     : "unknown";
}

enum msg_loss delivery_reason(const struct msg_subscriber *subscriber,
	const struct msg_view *view, uint64_t *lapped)
{
	uint64_t by_now = msg_subscriber_counter(subscriber, MSG_COUNTER_LAPPED);
	enum msg_loss reason = (enum msg_loss)view->reason;

	if (view->event == MSG_EVENT_MESSAGE && by_now > *lapped)
		reason = MSG_LOSS_LAPPED;
	*lapped = by_now;
	return reason;
}
