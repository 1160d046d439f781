/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker.c - `msg broker SUBCOMMAND`: looking after msgbrokerd.
 *
 * What only the broker itself knows, it is asked: this program becomes it.  It
 * is looked for beside this program, where an installation of the same prefix
 * has it, and on PATH.
 */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

#define PROGRAM "msgbrokerd"

enum {
	OPTION_JSON = OPTION_LONG
};

static const struct option_spec options[] = {
	{OPTION_JSON, "json", NULL, "check-config: one JSON object"},
	OPTION_END,
};

struct request {
	const char *file; /* NULL: the usual one. */
	bool as_json;
};

/* Run the broker that lies at `where` from the folder of this program;
 * returns only if there is none. */
static void become_from(const char *where, char *const argv[])
{
	char path[PATH_MAX + 64];
	ssize_t bytes = readlink("/proc/self/exe", path, PATH_MAX);

	if (bytes <= 0)
		return;
	path[bytes] = '\0';
	strcpy(strrchr(path, '/') + 1, where);
	execv(path, argv);
}

/* Become the broker; returns only if there is none. */
static void become(char *const argv[])
{
	become_from(PROGRAM, argv);
	become_from("../sbin/" PROGRAM, argv);
	execvp(PROGRAM, argv);
	execv("/usr/sbin/" PROGRAM, argv); /* Few users' PATH has it. */
}

static int check_config(const struct request *request)
{
	const char *argv[6] = {PROGRAM, "--check-config"};
	int count = 2;

	if (request->as_json)
		argv[count++] = "--json";
	if (request->file) {
		argv[count++] = "--config";
		argv[count++] = request->file;
	}
	become((char *const *)argv);
	complain("cannot run " PROGRAM ": %s; install it, or add its folder "
		 "to PATH",
		strerror(errno));
	return TOOL_EXIT_UNMET;
}

static const char *const names[] = {"check-config", NULL};

static int list_subcommands(void)
{
	puts("Usage: msg broker SUBCOMMAND [OPTION...]\n\n"
	     "Subcommands:\n"
	     "  check-config [FILE]   check msg.conf, print the settings in "
	     "force\n\n"
	     "See 'msg broker --help', msgbrokerd(8) and msg.conf(5).");
	return TOOL_EXIT_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct lane_choice lane = LANE_CHOICE;
	struct request request = {0};
	const char *name;

	while (options_next(command, &lane, argc, argv) >= 0)
		request.as_json = true;
	if (optind == argc)
		return list_subcommands();
	name = argv[optind];
	value_choice("SUBCOMMAND", name, names);
	if (argc - optind > 2)
		usage_fail("too many arguments: only FILE is expected behind "
			   "check-config");
	request.file = argv[optind + 1]; /* NULL at the end. */
	return check_config(&request);
}

const struct command command_broker = {
	"broker",
	"SUBCOMMAND [OPTION...]",
	"Look after the broker of this host.",
	"Subcommands:\n"
	"  check-config [FILE]   as msgbrokerd --check-config [--config FILE]: "
	"checks the\n"
	"                        file and prints the settings in force; exit 0 "
	"or 2",
	options,
	false,
	run,
};
