/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command.h - what a subcommand of `msg` is.
 *
 * Each subcommand lives in a file of its own and exports one struct command.
 * Its options are a table, from which the parser, the help text and the
 * suggestions for mistyped names are made, so that they cannot disagree.
 * main.c owns the list; options.c reads the tables.
 */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

#include <stdbool.h>

/* What the exit code of every subcommand means; doctor has its own reading,
 * written in its help. */
enum tool_exit {
	TOOL_EXIT_OK = 0,
	TOOL_EXIT_UNMET = 1, /* What was asked for failed or was not met. */
	TOOL_EXIT_USAGE = 2, /* The command line makes no sense. */
	TOOL_EXIT_LANE = 3,  /* No usable lane, device or interface. */
};

struct option_spec {
	int id;            /* A letter is also the short option. */
	const char *name;  /* Long name without the dashes. */
	const char *value; /* What the value is called; NULL for a flag. */
	const char *help;
};

/* Options without a short letter are numbered from here. */
#define OPTION_LONG 256
#define OPTION_END                                                             \
	{                                                                      \
		0, 0, 0, 0                                                     \
	}

struct command {
	const char *name;
	const char *synopsis; /* What follows "msg NAME ". */
	const char *summary;  /* One line for the list of commands. */
	const char *detail;   /* Paragraphs for its own help, or NULL. */
	const struct option_spec *options;
	bool takes_lane; /* Whether the lane options apply. */
	int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_pub;
extern const struct command command_echo;
extern const struct command command_type;
extern const struct command command_losses;
extern const struct command command_record;
extern const struct command command_play;
extern const struct command command_file;
extern const struct command command_list;
extern const struct command command_info;
extern const struct command command_top;
extern const struct command command_hz;
extern const struct command command_graph;
extern const struct command command_bench;
extern const struct command command_doctor;
extern const struct command command_broker;
extern const struct command command_counters;
extern const struct command command_version;

/* What `msg help recipes` shows. */
extern const char recipes_text[];

#endif
