/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - the command line of msgbrokerd.
 *
 * Each setting of config.h is an option of the same name; the few others are
 * listed in options.c.  Anything wrong ends the program here with exit 2 and a
 * sentence that names the option, the value and what is allowed, so main.c
 * never meets a bad one.
 */
#ifndef BROKER_OPTIONS_H
#define BROKER_OPTIONS_H

#include <stdbool.h>

#include <msg/msg.h>

#include "broker/config.h"

/* What the exit code of msgbrokerd means. */
enum broker_exit {
	BROKER_EXIT_OK = 0,     /* Ended because it was asked to. */
	BROKER_EXIT_FAILED = 1, /* Could not start, or failed while running. */
	BROKER_EXIT_USAGE = 2,  /* The command line or the file is wrong. */
	BROKER_EXIT_TAKEN = 3,  /* Another broker has the name. */
};

struct options {
	const char *file; /* --config; NULL: the usual one if it is there. */
	bool check;       /* --check-config. */
	bool json;
	enum msg_log_level level; /* --quiet, --verbose. */
};

/* Read the line into `options` and, with origin OPTION, into `config`. */
void options_read(
	struct options *options, struct config *config, int argc, char **argv);

#endif
