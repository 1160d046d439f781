/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info.c - `msg info [NAME]`: everything about a broker, once.
 *
 * It reads the counters that the broker shows, twice, for the rates; the broker
 * is not asked, and need not be able to answer.
 */
#include "command.h"

#include <getopt.h>
#include <stdio.h>

#include "look.h"
#include "options.h"
#include "pace.h"
#include "stop.h"

enum {
	OPTION_JSON = OPTION_LONG,
};

static const struct option_spec options[] = {
	{OPTION_JSON, "json", NULL, "one JSON object"},
	{'t', "interval", "SEC",
		"between two looks, for the rates (1); 0: one"},
	OPTION_END,
};

/* Until there is something to compare: a broker that has little to do writes
 * its counters once a second, and one without streams not at all. */
static int look_twice(struct look *look, double interval)
{
	uint64_t patience = clock_ns() + 1200000000;
	int code;

	stop_sleep(clock_ns() + (uint64_t)(interval * 1e9));
	while ((code = look_again(look)) == TOOL_EXIT_OK &&
		look->seconds == 0 && look->count > 0 &&
		clock_ns() < patience && !stop_asked())
		stop_sleep(clock_ns() + 50000000);
	return code;
}

static int show(struct look *look, double interval, bool as_json)
{
	const struct msg_broker_info *info = msg_broker_info(look->broker);
	int code = TOOL_EXIT_OK;

	/* Nobody else changes anything. */
	if (interval > 0 && info->state == MSG_BROKER_STATE_RUNNING)
		code = look_twice(look, interval);
	if (code != TOOL_EXIT_OK)
		return code;
	if (as_json) {
		look_json(look, stdout);
		putchar('\n');
	} else {
		look_details(look, stdout);
	}
	info = msg_broker_info(look->broker);
	if (info->state != MSG_BROKER_STATE_GONE)
		return TOOL_EXIT_OK;
	complain("the broker is gone; this is what it left");
	return TOOL_EXIT_UNMET;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct lane_choice lane = LANE_CHOICE;
	double interval = 1;
	bool as_json = false;
	struct look look;
	int code, id;

	while ((id = options_next(command, &lane, argc, argv)) >= 0) {
		if (id == OPTION_JSON)
			as_json = true;
		else
			interval = value_seconds("--interval", optarg);
	}
	if (argc - optind > 1)
		usage_fail("too many arguments: only NAME is expected");
	stop_catch();
	code = look_open(&look, argv[optind]);
	if (code == TOOL_EXIT_OK) {
		code = show(&look, interval, as_json);
		look_close(&look);
	}
	return code;
}

const struct command command_info = {
	"info",
	"[OPTION...] [NAME]",
	"All about a broker of this host: who shares it, who is slow.",
	"NAME is a broker's name or the path of its socket; MSG_BROKER, or "
	"'default'.\nThe counters are read beside the broker, so it may be "
	"stopped or stuck.  State of\na subscriber: asleep, awake, slow (half "
	"a ring behind, or it lost by itself),\nstuck (takes nothing), evicted "
	"(it lost the ring).",
	options,
	false,
	run,
};
