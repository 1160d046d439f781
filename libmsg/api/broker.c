/* SPDX-License-Identifier: BSD-2-Clause */
/* broker.c - the broker's policy, name and lane; see broker.h. */
#include "api/broker.h"

#include <stdio.h>
#include <string.h>

#include "api/options.h"
#include "base/trail.h"
#include "topic/groups.h"
#include "topic/watch.h"

static int take_policy(uint32_t *policy)
{
	const char *text = msg_options_text(NULL, "MSG_BROKER_POLICY");

	if (*policy > MSG_BROKER_REQUIRE)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"broker is %u; use enum msg_broker_policy", *policy);
	if (*policy != MSG_BROKER_DEFAULT)
		return 0;
	if (!text || strcmp(text, "auto") == 0)
		*policy = MSG_BROKER_AUTO;
	else if (strcmp(text, "require") == 0)
		*policy = MSG_BROKER_REQUIRE;
	else if (strcmp(text, "never") == 0)
		*policy = MSG_BROKER_NEVER;
	else
		return msg_fail(MSG_ERROR_ARGUMENT,
			"MSG_BROKER_POLICY='%s'; set it to auto, require or "
			"never, or unset it",
			text);
	return 0;
}

static bool is_same_range(const char *one, const char *other)
{
	struct msg_groups a, b;

	return msg_groups_parse(&a, one, 1) == 0 &&
	       msg_groups_parse(&b, other, 1) == 0 && a.count == b.count &&
	       memcmp(&a.first, &b.first, sizeof a.first) == 0;
}

/* A wish the broker does not serve, in words; 0: it serves all. */
static int compare(const struct msg_broker_wish *wish,
	const struct msg_control_welcome *welcome, char *what, size_t bytes)
{
	int code = MSG_ERROR_ARGUMENT;

	if (wish->lane && wish->lane != welcome->lane) {
		snprintf(what, bytes, "the lane %s",
			wish->lane == MSG_LANE_VERBS ? "verbs" : "udp");
	} else if (wish->groups &&
		   !is_same_range(wish->groups, welcome->groups)) {
		snprintf(what, bytes, "groups %s", wish->groups);
	} else if (wish->port && wish->port != welcome->port) {
		snprintf(what, bytes, "port %u", wish->port);
	} else if (wish->interface &&
		   strcmp(wish->interface, welcome->interface) != 0 &&
		   strcmp(wish->interface, welcome->address) != 0) {
		code = MSG_ERROR_DEVICE;
		snprintf(what, bytes, "interface %s", wish->interface);
	} else if (wish->device &&
		   strcmp(wish->device, welcome->device) != 0) {
		code = MSG_ERROR_DEVICE;
		snprintf(what, bytes, "device %s", wish->device);
	} else {
		return 0;
	}
	return -code;
}

/* Who requires a broker hears why there is none for him. */
static int fail(const char *path, const char *name, int result)
{
	char reason[MSG_TRAIL_BYTES];

	if (result == -MSG_ERROR_DEVICE)
		return msg_fail(MSG_ERROR_DEVICE,
			"no broker at %s, and one is required; start it: "
			"msgbrokerd %s %s",
			path, *name == '/' ? "--socket" : "--name", name);
	snprintf(reason, sizeof reason, "%s", msg_trail_text());
	return msg_fail(-result, "a broker is required: %.400s", reason);
}

/* What a broker serves, in words. */
static void describe(
	const struct msg_control_welcome *welcome, char *text, size_t bytes)
{
	if (!*welcome->groups)
		snprintf(text, bytes, "this host alone");
	else
		snprintf(text, bytes, "%s%s%s, groups %s, port %u",
			welcome->interface, *welcome->device ? " by " : "",
			welcome->device, welcome->groups, welcome->port);
}

/* Why AUTO goes without the broker that did not welcome us: the trail's clause,
 * without its next step.  That none is there is news to who named one. */
static int pass_by(const char *path, const char *name, int result, char *passed)
{
	const char *text = msg_trail_text();

	if (result != -MSG_ERROR_DEVICE)
		snprintf(passed, MSG_BROKER_PASSED_BYTES, "%.*s",
			(int)strcspn(text, ";"), text);
	else if (name)
		snprintf(passed, MSG_BROKER_PASSED_BYTES,
			"no broker is at %s", path);
	return 0;
}

int msg_broker_find(const struct msg_node_options *options,
	const struct msg_broker_wish *wish, char path[MSG_PLACE_PATH_BYTES],
	struct msg_control_welcome *welcome,
	char passed[MSG_BROKER_PASSED_BYTES])
{
	const char *named = msg_options_text(options->broker_name, "MSG_BROKER");
	const char *name = named ? named : MSG_PLACE_NAME_DEFAULT;
	uint32_t policy = options->broker;
	char what[128], serves[256];
	int result = take_policy(&policy);

	*passed = '\0';
	if (result < 0 || policy == MSG_BROKER_NEVER)
		return result;
	result = msg_place_client(name, path);
	if (result < 0)
		return result;
	result = msg_watch_ask(path, welcome);
	if (result < 0)
		return policy == MSG_BROKER_AUTO
			       ? pass_by(path, named, result, passed)
			       : fail(path, name, result);
	result = compare(wish, welcome, what, sizeof what);
	if (result == 0)
		return 1;
	if (policy == MSG_BROKER_AUTO) {
		snprintf(passed, MSG_BROKER_PASSED_BYTES,
			"the broker at %s does not serve %s", path, what);
		return 0;
	}
	describe(welcome, serves, sizeof serves);
	return msg_fail(-result,
		"the broker at %s serves %s, and not %s; leave that out, or do "
		"without it (MSG_BROKER_NEVER)",
		path, serves, what);
}
