/* SPDX-License-Identifier: BSD-2-Clause */
/* source.c - where the messages of `msg pub` come from; see source.h. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "stop.h"
#include "text.h"

#define READ_BYTES 65536u /* A pipe's worth at a time. */

size_t source_open(struct source *source)
{
	size_t largest = 0;
	struct stat file;

	source->fd = -1;
	if (source->kind == SOURCE_SYNTHETIC)
		return source->size;
	for (int i = 0; i < source->item_count; i++) {
		size_t bytes = 0;

		if (source->kind == SOURCE_TEXTS)
			bytes = strlen(source->items[i]);
		else if (stat(source->items[i], &file) < 0 ||
			 !S_ISREG(file.st_mode))
			return 0;
		else
			bytes = (size_t)file.st_size;
		if (bytes > largest)
			largest = bytes;
	}
	return largest;
}

void source_close(struct source *source)
{
	if (source->fd > STDIN_FILENO)
		close(source->fd);
	free(source->buffer);
	source->buffer = NULL;
}

static int refuse(struct source *source, const char *name, const char *why)
{
	char safe[256];

	text_escape(safe, sizeof safe, name);
	complain("%s: %s", safe, why);
	source->refused++;
	return -1;
}

/* ---- lines ------------------------------------------------------------- */

static bool make_room(struct source *source)
{
	size_t capacity = source->capacity ? 2 * source->capacity : READ_BYTES;
	char *buffer;

	if (source->begin > 0) {
		memmove(source->buffer, source->buffer + source->begin,
			source->end - source->begin);
		source->end -= source->begin;
		source->begin = 0;
	}
	if (source->capacity - source->end >= READ_BYTES / 2)
		return true;
	buffer = realloc(source->buffer, capacity);
	if (!buffer)
		return false;
	source->buffer = buffer;
	source->capacity = capacity;
	return true;
}

/* Read more; false at the end, on an error or when a stop is asked. */
static bool read_more(struct source *source, int fd)
{
	struct pollfd fds[1 + STOP_POLL_EXTRA] = {{.fd = fd, .events = POLLIN}};
	ssize_t got;

	if (!make_room(source))
		return false;
	do {
		stop_poll(fds, 1, 0);
		if (stop_asked())
			return false;
	} while (!fds[0].revents);
	got = read(fd, source->buffer + source->end,
		source->capacity - source->end);
	if (got < 0)
		refuse(source, "input", strerror(errno));
	if (got <= 0)
		return false;
	source->end += (size_t)got;
	return true;
}

static char *line_end(const struct source *source, size_t from)
{
	if (source->begin + from >= source->end)
		return NULL;
	return memchr(source->buffer + source->begin + from, '\n',
		source->end - source->begin - from);
}

/* The rest of a line that is longer than may be sent. */
static void skip_line(struct source *source)
{
	char *end;

	while ((end = line_end(source, 0)) == NULL) {
		source->begin = source->end = 0;
		if (!read_more(source, STDIN_FILENO)) {
			source->ended = true;
			return;
		}
	}
	source->begin = (size_t)(end - source->buffer) + 1;
}

static int refuse_line(struct source *source)
{
	char name[64], why[96];

	snprintf(name, sizeof name, "line %llu",
		(unsigned long long)(source->number + source->refused + 1));
	snprintf(why, sizeof why, "longer than %zu bytes; raise --max-bytes",
		source->bytes_max);
	skip_line(source);
	return refuse(source, name, why);
}

static int next_line(struct source *source, size_t *bytes)
{
	size_t searched = 0;
	char *end;

	while ((end = line_end(source, searched)) == NULL && !source->ended) {
		searched = source->end - source->begin;
		if (searched > source->bytes_max)
			return refuse_line(source);
		source->ended = !read_more(source, STDIN_FILENO);
	}
	if (stop_asked())
		return 0;
	if (end)
		*bytes = (size_t)(end - source->buffer) - source->begin;
	else if (source->end > source->begin)
		*bytes = source->end - source->begin; /* No final newline. */
	else
		return 0;
	if (*bytes > source->bytes_max)
		return refuse_line(source);
	source->next_bytes = *bytes;
	return 1;
}

static void fill_line(struct source *source, void *data)
{
	memcpy(data, source->buffer + source->begin, source->next_bytes);
	source->begin += source->next_bytes;
	if (source->begin < source->end)
		source->begin++; /* The newline. */
}

/* ---- files and texts --------------------------------------------------- */

/* Read all of what has no size, as a pipe. */
static int slurp(struct source *source, const char *name, size_t *bytes)
{
	source->begin = source->end = 0;
	while (read_more(source, source->fd))
		if (source->end > source->bytes_max)
			return refuse(source, name,
				"too large; raise "
				"--max-bytes");
	if (stop_asked())
		return 0;
	*bytes = source->next_bytes = source->end;
	return 1;
}

static int next_file(struct source *source, size_t *bytes)
{
	const char *name = source->items[source->item++];
	struct stat file;

	if (source->fd > STDIN_FILENO)
		close(source->fd);
	source->fd = strcmp(name, "-") == 0 ? STDIN_FILENO
					    : open(name, O_RDONLY | O_CLOEXEC);
	if (source->fd < 0 || fstat(source->fd, &file) < 0)
		return refuse(source, name, strerror(errno));
	if (S_ISDIR(file.st_mode))
		return refuse(source, name, "is a directory");
	source->end = 0;
	if (!S_ISREG(file.st_mode))
		return slurp(source, name, bytes);
	if ((uint64_t)file.st_size > source->bytes_max)
		return refuse(source, name, "too large; raise --max-bytes");
	*bytes = source->next_bytes = (size_t)file.st_size;
	return 1;
}

static bool fill_file(struct source *source, char *data)
{
	size_t filled = 0;

	if (source->end > 0) {
		memcpy(data, source->buffer, source->end);
		return true;
	}
	while (filled < source->next_bytes) {
		ssize_t got = read(
			source->fd, data + filled, source->next_bytes - filled);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			refuse(source, source->items[source->item - 1],
				got ? strerror(errno) : "became shorter");
			return false;
		}
		filled += (size_t)got;
	}
	return true;
}

/* "message 17 " and then letters: tells messages apart, reads as text. */
static void fill_synthetic(const struct source *source, char *data)
{
	char head[40];
	int length = snprintf(head, sizeof head, "message %llu ",
		(unsigned long long)source->number);

	for (size_t i = 0; i < source->size; i++)
		data[i] = i < (size_t)length ? head[i] : (char)('a' + i % 26);
}

/* ---- the source -------------------------------------------------------- */

bool source_ready(const struct source *source)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	if (source->kind != SOURCE_LINES)
		return true;
	return line_end(source, 0) != NULL || poll(&input, 1, 0) > 0;
}

int source_next(struct source *source, size_t *bytes)
{
	if (source->kind == SOURCE_LINES)
		return next_line(source, bytes);
	if (source->kind == SOURCE_SYNTHETIC) {
		*bytes = source->size;
		return 1;
	}
	if (source->item == source->item_count) {
		if (!source->repeat || source->number == 0)
			return 0;
		source->item = 0;
	}
	if (source->kind == SOURCE_FILES)
		return next_file(source, bytes);
	*bytes = source->next_bytes = strlen(source->items[source->item++]);
	return 1;
}

bool source_fill(struct source *source, void *data)
{
	if (source->kind == SOURCE_LINES)
		fill_line(source, data);
	else if (source->kind == SOURCE_SYNTHETIC)
		fill_synthetic(source, data);
	else if (source->kind == SOURCE_TEXTS)
		memcpy(data, source->items[source->item - 1],
			source->next_bytes);
	else if (!fill_file(source, data))
		return false;
	source->number++;
	return true;
}
