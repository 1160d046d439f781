/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters.c - `msg counters`: what each counter means and what to do when it
 * grows.  `msg version`: what this is.
 *
 * The table is asked of the library that runs, which may be newer than the
 * tool and know more counters.
 */
#include "command.h"

#include <getopt.h>
#include <stdio.h>

#include <msg/broker.h>
#include <msg/stats.h>

#include "json.h"
#include "options.h"

enum {
	OPTION_JSON = OPTION_LONG
};

static const struct option_spec counters_options[] = {
	{OPTION_JSON, "json", NULL, "one JSON object per counter"},
	OPTION_END,
};

static void print_counter(const struct msg_counter *counter, bool as_json)
{
	struct json json = {stdout, false};

	if (!as_json) {
		printf("%s\n    %s\n    When it grows: %s\n", counter->name,
			counter->meaning, counter->remedy);
		return;
	}
	json_open(&json, NULL, '{');
	json_text(&json, "name", counter->name);
	json_text(&json, "meaning", counter->meaning);
	json_text(&json, "remedy", counter->remedy);
	json_close(&json, '}');
	putchar('\n');
}

static int run_counters(const struct command *command, int argc, char **argv)
{
	struct lane_choice lane = LANE_CHOICE;
	const struct msg_counter *counter;
	bool as_json = false;

	while (options_next(command, &lane, argc, argv) == OPTION_JSON)
		as_json = true;
	options_operands(argc, 0, "");
	for (int i = 0; (counter = msg_counter_describe(i)) != NULL; i++)
		print_counter(counter, as_json);
	for (int i = 0; (counter = msg_broker_counter_describe(i)); i++)
		print_counter(counter, as_json);
	return TOOL_EXIT_OK;
}

const struct command command_counters = {
	"counters",
	"[--json]",
	"What each counter means, and its remedy.",
	NULL,
	counters_options,
	false,
	run_counters,
};

static int run_version(const struct command *command, int argc, char **argv)
{
	struct lane_choice lane = LANE_CHOICE;

	while (options_next(command, &lane, argc, argv) >= 0)
		;
	options_operands(argc, 0, "");
	printf("msg %s\n", msg_version());
	return TOOL_EXIT_OK;
}

const struct command command_version = {
	"version",
	"",
	"The version of the library that runs.",
	NULL,
	NULL,
	false,
	run_version,
};
