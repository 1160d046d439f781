/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics.h - what is there to scrape: all brokers of this host, or those named,
 * and if asked for the publishers that announce themselves.
 *
 * Brokers are looked at from outside, so one that hangs is told like any other,
 * and none is asked for anything.  The tables of <msg/broker.h> are the only
 * list of counts: a count that is added there is exported.
 */
#ifndef EXPORTER_METRICS_H
#define EXPORTER_METRICS_H

#include <msg/broker.h>

#include "output.h"

#define METRICS_BROKERS_MAX 16

struct metrics_broker {
	char name[72];
	const char *wanted;        /* Of the command line, or NULL. */
	char path[112];            /* Where it was found. */
	struct msg_broker *broker; /* NULL: not to be had. */
};

struct metrics {
	struct metrics_broker brokers[METRICS_BROKERS_MAX];
	int count;
	bool named;                      /* By the command line. */
	struct msg_directory *directory; /* NULL: not asked for. */
	uint64_t scrapes;
};

/* `names` may be empty: all there are, whenever they appear. */
void metrics_open(struct metrics *metrics, char **names, int count);
void metrics_close(struct metrics *metrics);

/* Look, and write all of it. */
void metrics_write(struct metrics *metrics, struct output *output);

#endif
