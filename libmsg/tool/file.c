/* SPDX-License-Identifier: BSD-2-Clause */
/* file.c - `msg file info|recover FILE`: look at recordings; see file.h. */
#include "file.h"

#include <getopt.h>
#include <stdio.h>

#include "command.h"
#include "options.h"

enum {
	OPTION_JSON = OPTION_LONG,
	OPTION_LOSSES,
	OPTION_OVERWRITE,
};

static const struct option_spec options[] = {
	{OPTION_JSON, "json", NULL, "info: one JSON object for each file"},
	{OPTION_LOSSES, "losses", NULL,
		"info: each loss by itself, too, with its time"},
	{'o', "output", "FILE", "recover: the file to write"},
	{OPTION_OVERWRITE, "overwrite", NULL,
		"recover: replace a file that is there"},
	OPTION_END,
};

enum {
	NAME_INFO,
	NAME_RECOVER,
};
static const char *const names[] = {
	[NAME_INFO] = "info", [NAME_RECOVER] = "recover", NULL};

static void take_option(struct file_request *request, int id)
{
	switch (id) {
	case OPTION_JSON:
		request->as_json = true;
		break;
	case OPTION_LOSSES:
		request->losses = true;
		break;
	case 'o':
		request->output = optarg;
		break;
	case OPTION_OVERWRITE:
		request->overwrite = true;
		break;
	default:
		break;
	}
}

static int info(const struct file_request *request, int argc, char **argv)
{
	if (request->output || request->overwrite)
		usage_fail("--output and --overwrite are for recover");
	if (optind == argc)
		usage_fail("FILE is missing");
	return file_info(request, argv + optind, argc - optind);
}

static int recover(const struct file_request *request, int argc, char **argv)
{
	if (request->as_json || request->losses)
		usage_fail("--json and --losses are for info");
	options_operands(argc, 1, "FILE");
	if (!request->output)
		usage_fail("--output is missing: the file to write");
	return file_recover(request, argv[optind]);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct lane_choice lane = LANE_CHOICE;
	struct file_request request = {0};
	int id;

	while ((id = options_next(command, &lane, argc, argv)) >= 0)
		take_option(&request, id);
	if (optind == argc)
		usage_fail("SUBCOMMAND (info or recover) is missing");
	switch (value_choice("SUBCOMMAND", argv[optind++], names)) {
	case NAME_INFO:
		return info(&request, argc, argv);
	default:
		return recover(&request, argc, argv);
	}
}

const struct command command_file = {
	"file",
	"info|recover [OPTION...] FILE...",
	"Look at recordings, and rescue them.",
	"Subcommands:\n"
	"  info FILE...           topics, counts, time, losses; all CRCs are "
	"checked.  Exit 1\n"
	"                         when a file is broken or was not finished\n"
	"  recover FILE -o FILE   what can be read, into a new file that is "
	"whole\n\n"
	"Files may be of any MCAP writer, chunks packed by zstd or not at "
	"all.",
	options,
	false,
	run,
};
