/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the program `msg`: one door to its subcommands.
 *
 * `msg NAME` is a row of `commands`, or else the program `msg-NAME` on PATH,
 * as git does it: others may add commands without touching this one.  The
 * tool uses the public API alone (msg.h, stats.h), so it is also the proof
 * that the API is enough.  Tests: tests/local.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#include "command.h"
#include "options.h"
#include "standard.h"
#include "stop.h"
#include "text.h"

static const struct command *const commands[] = {
	&command_pub,
	&command_echo,
	&command_type,
	&command_losses,
	&command_record,
	&command_play,
	&command_file,
	&command_list,
	&command_info,
	&command_top,
	&command_hz,
	&command_graph,
	&command_bench,
	&command_doctor,
	&command_broker,
	&command_counters,
	&command_version,
};
static void (*pipe_action)(int); /* As it was when we were started. */
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_help(FILE *file)
{
	fputs("Usage: msg COMMAND [OPTION...] [ARGUMENT...]\n\n"
	      "Publish and subscribe over RDMA, and look at who does.\n\n"
	      "Commands:\n",
		file);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(file, "  %-10s %s\n", commands[i]->name,
			commands[i]->summary);
	fputs("  help       Help on a command: 'msg help CMD' or "
	      "'msg CMD --help';\n"
	      "             'msg help recipes': how to do what people do.\n\n"
	      "A program 'msg-foo' on PATH is also 'msg foo'.\n\n"
	      "Without options everything stays on this machine: the one "
	      "active RDMA device,\nor kernel UDP on loopback.  "
	      "'--interface eth0' leaves it; see 'msg doctor'.\n\n"
	      "  msg echo 'demo.>'                   show what comes\n"
	      "  date | msg pub demo.date            send lines\n"
	      "  msg list                            who publishes what\n\n"
	      "Exit: 0 done, 1 what was asked for failed or was not met,\n"
	      "      2 bad usage, 3 no usable lane, device or interface\n",
		file);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* Become `msg-NAME`; returns only when there is none. */
static void run_external(const char *name, char **argv)
{
	char program[64];

	if (strchr(name, '/') || name[0] == '-' ||
		snprintf(program, sizeof program, "msg-%s", name) >=
			(int)sizeof program)
		return;
	argv[0] = program;
	signal(SIGPIPE, pipe_action); /* An ignored signal stays ignored. */
	execvp(program, argv);
	if (errno != ENOENT && errno != EACCES && errno != ENOTDIR) {
		complain("cannot run %s: %s", program, strerror(errno));
		exit(TOOL_EXIT_UNMET);
	}
}

static void unknown_command(const char *name) TOOL_NORETURN;
static void unknown_command(const char *name)
{
	const char *names[COMMAND_COUNT + 2];
	const char *near;
	char safe[128];
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++)
		names[i] = commands[i]->name;
	names[i++] = "help";
	names[i] = NULL;
	text_escape(safe, sizeof safe, name);
	near = closest_name(name, names);
	if (name[0] == '-')
		usage_fail("unknown option '%s' before a command", safe);
	if (strcmp(name, "recipes") == 0)
		usage_fail("unknown command 'recipes'; did you mean 'help "
			   "recipes'?");
	if (near)
		usage_fail(
			"unknown command '%s'; did you mean '%s'?", safe, near);
	usage_fail("unknown command '%s'", safe);
}

static int help(char **argv)
{
	const struct command *command;
	char *external[] = {NULL, (char[]){"--help"}, NULL};

	if (!argv[1] || !strcmp(argv[1], "help") || !strcmp(argv[1], "--help")) {
		print_help(stdout);
		return TOOL_EXIT_OK;
	}
	if (strcmp(argv[1], "recipes") == 0) {
		fputs(recipes_text, stdout);
		return TOOL_EXIT_OK;
	}
	command = find_command(argv[1]);
	if (!command) {
		run_external(argv[1], external);
		unknown_command(argv[1]);
	}
	options_begin(command);
	options_help(command, stdout);
	return TOOL_EXIT_OK;
}

static int run(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		print_help(stderr);
		return TOOL_EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
		!strcmp(name, "help"))
		return help(argv + 1);
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	command = find_command(name);
	if (!command) {
		run_external(name, argv + 1);
		unknown_command(name);
	}
	options_begin(command);
	return command->run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	standard_open();
	pipe_action = signal(SIGPIPE, SIG_IGN);
	return output_finish(run(argc, argv));
}
