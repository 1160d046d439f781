/* SPDX-License-Identifier: BSD-2-Clause */
/* require.c - a run that must be good enough; see require.h. */
#include "require.h"

#include <stdio.h>
#include <string.h>

#include "options.h"
#include "text.h"

static int find_metric(const struct require_metric *metrics, const char *name)
{
	const char *names[REQUIRE_MAX + 1];
	char list[256] = "", safe[64];
	const char *near;
	int i;

	for (i = 0; metrics[i].name && i < REQUIRE_MAX; i++) {
		if (strcmp(name, metrics[i].name) == 0)
			return i;
		names[i] = metrics[i].name;
		snprintf(list + strlen(list), sizeof list - strlen(list),
			"%s%s", i ? ", " : "", metrics[i].name);
	}
	names[i] = NULL;
	near = closest_name(name, names);
	text_escape(safe, sizeof safe, name);
	if (near)
		usage_fail("--require '%s' is none of %s; did you mean '%s'?",
			safe, list, near);
	usage_fail("--require '%s' is none of %s", safe, list);
}

static double parse_limit(const struct require_metric *metric, const char *text)
{
	char option[64], safe[64];
	double limit;

	snprintf(option, sizeof option, "--require %s", metric->name);
	text_escape(safe, sizeof safe, text);
	if (metric->kind == REQUIRE_AT_LEAST)
		return value_rate(option, text);
	if (metric->kind == REQUIRE_AT_MOST) {
		if (!scaled_parse(text, &limit))
			usage_fail("%s '%s' is not a number", option, safe);
		return limit;
	}
	if (!time_parse(text, 1e3, &limit))
		usage_fail(
			"%s '%s' is not a time (as 50us, 1.5ms)", option, safe);
	return limit;
}

void require_parse(struct require *require, const char *text,
	const struct require_metric *metrics)
{
	char copy[512], *rest = copy, *item;

	require->metrics = metrics;
	if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
		usage_fail("--require is too long");
	while ((item = strsep(&rest, ",")) != NULL) {
		char *value = strchr(item, '=');
		int metric;

		if (!value || value == item || !value[1]) {
			char safe[64];

			text_escape(safe, sizeof safe, item);
			usage_fail("--require '%s' is not NAME=VALUE", safe);
		}
		*value++ = '\0';
		if (require->count == REQUIRE_MAX)
			usage_fail("--require holds more than %d items",
				REQUIRE_MAX);
		metric = find_metric(metrics, item);
		require->metric[require->count] = metric;
		require->limit[require->count++] =
			parse_limit(&metrics[metric], value);
	}
}

static void say_unmet(const struct require_metric *metric, double value,
	double limit, const char *where)
{
	const char *side =
		metric->kind == REQUIRE_AT_LEAST ? "at least" : "at most";
	char is[32], asked[32];

	if (metric->kind == REQUIRE_TIME) {
		text_time(value, is, sizeof is);
		text_time(limit, asked, sizeof asked);
	} else {
		text_scaled(value, is, sizeof is);
		text_scaled(limit, asked, sizeof asked);
	}
	complain("requirement not met: %s%s%s is %s, %s %s was required", where,
		where[0] ? " " : "", metric->name, is, side, asked);
}

bool require_check(const struct require *require, const char *metric,
	double value, const char *where)
{
	bool met = true;

	for (int i = 0; i < require->count; i++) {
		const struct require_metric *asked =
			&require->metrics[require->metric[i]];
		double limit = require->limit[i];

		if (strcmp(asked->name, metric) != 0)
			continue;
		if (asked->kind == REQUIRE_AT_LEAST ? value >= limit
						    : value <= limit)
			continue;
		say_unmet(asked, value, limit, where);
		met = false;
	}
	return met;
}
