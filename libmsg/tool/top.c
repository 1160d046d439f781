/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.c - `msg top [NAME]`: a broker's publishers and subscribers, again and
 * again.
 *
 * On a terminal it is a screen with keys (top_screen.c); elsewhere, and with
 * --once or --json, a table or an object for each interval.
 */
#include "top.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "options.h"
#include "pace.h"
#include "stop.h"

enum {
	OPTION_JSON = OPTION_LONG,
	OPTION_ONCE,
	OPTION_SORT,
	OPTION_REVERSE,
};

static const struct option_spec options[] = {
	{OPTION_ONCE, "once", NULL, "one table after one interval"},
	{OPTION_JSON, "json", NULL, "one JSON object per interval"},
	{'t', "interval", "SEC", "between two looks (1)"},
	{'n', "count", "N", "end after N intervals"},
	{OPTION_SORT, "sort", "KEY", "topic, rate, lag, held or lost (topic)"},
	{OPTION_REVERSE, "reverse", NULL, "the other way round"},
	OPTION_END,
};

static void show(struct top *top, bool as_json)
{
	struct table table;
	char line[1024];

	if (as_json) {
		look_json(&top->look, stdout);
		putchar('\n');
	} else {
		look_headline(&top->look, line, sizeof line);
		puts(line);
		look_table(&top->look, &table);
		table_print(&table, stdout);
		table_close(&table);
	}
	fflush(stdout);
}

/* Tables or objects, one after the other. */
static int top_lines(struct top *top, bool as_json)
{
	uint64_t start = clock_ns();

	for (uint64_t n = 1; top->count == 0 || n <= top->count; n++) {
		int code;

		stop_sleep(start + (uint64_t)((double)n * top->interval * 1e9));
		if (stop_asked() || stop_output_closed())
			break;
		code = look_again(&top->look);
		if (code != TOOL_EXIT_OK)
			return code;
		look_sort(&top->look, top->sort, top->reverse);
		if (n > 1 && !as_json)
			putchar('\n');
		show(top, as_json);
	}
	if (msg_broker_info(top->look.broker)->state != MSG_BROKER_STATE_GONE)
		return TOOL_EXIT_OK;
	complain("the broker is gone; this is what it left");
	return TOOL_EXIT_UNMET;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct lane_choice lane = LANE_CHOICE;
	struct top top = {.interval = 1};
	bool as_json = false, once = false;
	int code, id;

	while ((id = options_next(command, &lane, argc, argv)) >= 0) {
		if (id == OPTION_JSON)
			as_json = true;
		else if (id == OPTION_ONCE)
			once = true;
		else if (id == OPTION_REVERSE)
			top.reverse = true;
		else if (id == OPTION_SORT)
			top.sort = (enum look_sort)value_choice(
				"--sort", optarg, look_sort_names);
		else if (id == 'n')
			top.count =
				value_count("--count", optarg, 1, 1000000000);
		else
			top.interval = value_seconds("--interval", optarg);
	}
	if (argc - optind > 1)
		usage_fail("too many arguments: only NAME is expected");
	if (top.interval < 0.01)
		usage_fail("--interval is out of range: 0.01 s at least");
	if (once)
		top.count = 1;
	stop_catch();
	code = look_open(&top.look, argv[optind]);
	if (code != TOOL_EXIT_OK)
		return code;
	code = once || as_json || !isatty(STDOUT_FILENO) ||
			       !isatty(STDIN_FILENO)
		       ? top_lines(&top, as_json)
		       : top_screen(&top);
	look_close(&top.look);
	return code;
}

const struct command command_top = {
	"top",
	"[OPTION...] [NAME]",
	"Watch a broker's publishers and subscribers.",
	"NAME and the states are those of 'msg info'.  Keys: q ends, s sorts "
	"by "
	"the next\ncolumn, r the other way round, arrows and page keys scroll, "
	"space looks now.",
	options,
	false,
	run,
};
