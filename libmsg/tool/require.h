/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * require.h - "p99=50us,loss=0,rate=1M": a run that must be good enough.
 *
 * Each command knows some metrics, each with a unit and a side: a rate must
 * reach its limit, a latency or a loss must not exceed it.  An unmet one is
 * said in a sentence and makes the exit code 1, so a script can gate on it.
 */
#ifndef TOOL_REQUIRE_H
#define TOOL_REQUIRE_H

#include <stdbool.h>

enum require_kind {
	REQUIRE_TIME,     /* Nanoseconds, at most; a bare number is in us. */
	REQUIRE_AT_MOST,  /* A number. */
	REQUIRE_AT_LEAST, /* A number or rate. */
};

struct require_metric {
	const char *name;
	enum require_kind kind;
};

#define REQUIRE_MAX 16

struct require {
	const struct require_metric *metrics; /* Ends with a NULL name. */
	int count;
	int metric[REQUIRE_MAX];
	double limit[REQUIRE_MAX];
};

/* Read the list; leaves with a usage error for a bad one. */
void require_parse(struct require *require, const char *text,
	const struct require_metric *metrics);

/* Hold one value against the list; says what is unmet ("`where`: …", where
 * may be "") and returns false then. */
bool require_check(const struct require *require, const char *metric,
	double value, const char *where);

#endif
