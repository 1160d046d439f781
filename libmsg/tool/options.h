/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - the command line: one table per command, clear refusals.
 *
 * Anything wrong ends the program here with exit 2, a sentence that names the
 * option or value, and the closest name that exists.  So a command reads its
 * options in one loop and never meets a bad one.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "command.h"
#include "lane.h"

#define TOOL_NORETURN __attribute__((noreturn))
#define TOOL_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* "msg NAME: TEXT", then where help is; exit 2. */
void usage_fail(const char *format, ...) TOOL_NORETURN TOOL_PRINTF(1, 2);

/* "msg NAME: TEXT" on stderr, whatever -q says. */
void complain(const char *format, ...) TOOL_PRINTF(1, 2);

/* "msg NAME: TEXT" on stderr, unless -q. */
void say(const char *format, ...) TOOL_PRINTF(1, 2);

/* The exit code when all is written that there was to write: a full disk is an
 * error, a reader that went away has had enough. */
int output_finish(int code);

/* Name the command for the three above, and whether -q was given. */
void options_begin(const struct command *command);
bool options_quiet(void);
void options_set_quiet(bool to);

/* The next option of the command's own table, its value in optarg; -1 at the
 * end, optind then at the first operand.  Lane options, --help and --quiet
 * are dealt with inside. */
int options_next(const struct command *command, struct lane_choice *lane,
	int argc, char **argv);

/* Exactly `count` operands must follow, `names`: "TOPIC"; of none nothing. */
void options_operands(int argc, int count, const char *names);

void options_help(const struct command *command, FILE *file);

/* The closest of a NULL-terminated list of names, or NULL when none is near. */
const char *closest_name(const char *name, const char *const *names);

/* Values.  `option` is how the user wrote it ("--count").
 *   count     12, 10k, 1M, 1G, 64Ki, 16Mi
 *   rate      as count, with an optional "/s"; fractions are fine
 *   seconds   1.5, 200ms, 50us, 2s, 1m
 *   limit     seconds, above 0: what is left out has none
 * time_parse returns nanoseconds, of a bare number times `bare`; it does not
 * exit but returns false. */
uint64_t value_count(
	const char *option, const char *text, uint64_t min, uint64_t max);
double value_rate(const char *option, const char *text);
double value_seconds(const char *option, const char *text);
double value_limit(const char *option, const char *text);
int value_choice(
	const char *option, const char *text, const char *const *names);
bool scaled_parse(const char *text, double *value);
bool time_parse(const char *text, double bare, double *ns);

#endif
