/* SPDX-License-Identifier: BSD-2-Clause */
/* log.c - lines on standard error; see log.h. */
#include "broker/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/trail.h"

#define LINE_BYTES (MSG_TRAIL_BYTES + 64)

const struct log_entry log_catalogue[LOG_ID_COUNT] = {
#define LOG_ROW(enumerator, id, level, meaning, remedy)                        \
	{id, MSG_LOG_##level, meaning, remedy},
	LOG_CATALOGUE(LOG_ROW)
#undef LOG_ROW
};

static const struct {
	const char *name;
	int priority; /* Of syslog(3), as a journal reads it. */
} levels[] = {
	[MSG_LOG_ERROR] = {"error", 3},
	[MSG_LOG_WARNING] = {"warning", 4},
	[MSG_LOG_INFO] = {"info", 6},
	[MSG_LOG_DEBUG] = {"debug", 7},
};

/* How much of an id came lately. */
struct allowance {
	uint64_t since_ns;
	uint32_t shown;
	uint32_t held_back;
};

/* The library's ids are not ours to count: a few places, by hash. */
#define LIBRARY_PLACES 16u
static struct allowance allowances[LOG_ID_COUNT + LIBRARY_PLACES];
static enum msg_log_level shown_up_to = MSG_LOG_INFO;
static bool to_journal;

void log_open(enum msg_log_level level)
{
	shown_up_to = level;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
	memset(allowances, 0, sizeof allowances);
}

/* In one write, so that lines of several processes do not mix. */
static void write_line(
	enum msg_log_level level, const char *id, const char *text)
{
	char line[LINE_BYTES];
	int count;

	if (to_journal)
		count = snprintf(line, sizeof line, "<%d>%s: %s\n",
			levels[level].priority, id, text);
	else
		count = snprintf(line, sizeof line, "msgbrokerd: %s: %s: %s\n",
			levels[level].name, id, text);
	if (count >= (int)sizeof line) {
		count = (int)sizeof line - 1;
		line[count - 1] = '\n';
	}
	for (int i = 0; i < count - 1; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	/* Nobody could be told of a failure. */
	if (write(STDERR_FILENO, line, (size_t)count) < 0)
		return;
}

/* Whether this id has a turn; says first how many had none. */
static bool take_turn(
	struct allowance *allowance, enum msg_log_level level, const char *id)
{
	uint64_t now = msg_clock_coarse_ns();
	char text[96];

	if (allowance->since_ns == 0 ||
		now - allowance->since_ns >= LOG_PERIOD_NS) {
		uint32_t held_back = allowance->held_back;

		*allowance = (struct allowance){.since_ns = now};
		if (held_back > 0) {
			snprintf(text, sizeof text,
				"%u more lines of this kind were left out",
				held_back);
			write_line(level, id, text);
		}
	}
	if (allowance->shown == LOG_BURST) {
		allowance->held_back++;
		return false;
	}
	allowance->shown++;
	return true;
}

bool log_shows(enum log_id id)
{
	return log_catalogue[id].level <= shown_up_to;
}

void log_say(enum log_id id, const char *format, ...)
{
	const struct log_entry *entry = &log_catalogue[id];
	char text[MSG_TRAIL_BYTES];
	va_list args;

	if (!log_shows(id) ||
		!take_turn(&allowances[id], entry->level, entry->id))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	write_line(entry->level, entry->id, text);
}

void log_library(void *context, enum msg_log_level level, const char *id,
	const char *text)
{
	uint64_t place = msg_hash(id, strlen(id)) % LIBRARY_PLACES;

	(void)context;
	if (level <= shown_up_to &&
		take_turn(&allowances[LOG_ID_COUNT + place], level, id))
		write_line(level, id, text);
}
