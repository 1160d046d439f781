/* SPDX-License-Identifier: BSD-2-Clause */
/* record_write.c - the thread of `msg record` that writes; see
 * record_write.h. */
#include "record_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pace.h"

#define INDEX_BYTES_MAX (64u << 20)
#define PARTS_MAX 1000000u
#define IDLE_NS 1000000000u
#define ENTRIES_MAX 64

/* ---- names and files ----------------------------------------------------- */

void record_part_name(const char *path, uint32_t part, char *name, size_t bytes)
{
	static const char ending[] = ".mcap";
	size_t length = strlen(path), tail = 0;

	if (length > sizeof ending - 1 &&
		strcmp(path + length - (sizeof ending - 1), ending) == 0)
		tail = sizeof ending - 1;
	snprintf(name, bytes, "%.*s.%04" PRIu32 "%s", (int)(length - tail),
		path, part, path + length - tail);
}

/* Where nothing can be sought nor synced: a pipe, a device. */
static bool is_stream(const char *path)
{
	struct stat about;

	return strcmp(path, "-") == 0 ||
	       (stat(path, &about) == 0 &&
		       (S_ISFIFO(about.st_mode) || S_ISCHR(about.st_mode)));
}

static int open_path(
	const struct record_write_options *options, const char *path)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC;
	int fd;

	if (strcmp(path, "-") == 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (is_stream(path))
		fd = open(path, O_WRONLY | O_CLOEXEC);
	else
		fd = open(path, flags | (options->overwrite ? O_TRUNC : O_EXCL),
			0666);
	return fd < 0 ? -errno : fd;
}

/* The name of a new file is on the disk, too. */
static void sync_folder(const char *path)
{
	char copy[sizeof((struct record_writer *)0)->path];
	int fd;

	snprintf(copy, sizeof copy, "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* The next part that is not there yet. */
static int open_part(struct record_writer *writer)
{
	const struct record_write_options *o = &writer->options;
	bool numbered = o->rotate_bytes || o->rotate_ns;
	int fd;

	do {
		writer->part++;
		if (writer->part == 1 && !numbered)
			snprintf(writer->path, sizeof writer->path, "%s",
				o->path);
		else if (is_stream(o->path))
			return -EFBIG;
		else
			record_part_name(o->path, writer->part, writer->path,
				sizeof writer->path);
		fd = open_path(o, writer->path);
		/* The first is in the way of the whole recording. */
	} while (fd == -EEXIST && writer->part > 1 && writer->part < PARTS_MAX);
	return fd;
}

static void put_count(struct mcap_bytes *pairs, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	mcap_put_pair(pairs, key, mcap_text(text));
}

static int write_metadata(struct record_writer *writer, const char *name)
{
	struct mcap_map map = {
		{(const char *)writer->scratch.data, writer->scratch.bytes}};

	if (writer->scratch.failed)
		return -ENOMEM;
	return mcap_write_metadata(&writer->mcap, mcap_text(name), map);
}

static int write_begin(struct record_writer *writer)
{
	struct mcap_bytes *pairs = &writer->scratch;
	uint64_t real_ns = clock_read_ns(CLOCK_REALTIME);
	char text[64];

	pairs->bytes = 0;
	put_count(pairs, "version", 1);
	mcap_put_pair(pairs, "patterns", mcap_text(writer->options.patterns));
	mcap_put_pair(pairs, "lane", mcap_text(writer->options.lane));
	gethostname(text, sizeof text);
	text[sizeof text - 1] = '\0';
	mcap_put_pair(pairs, "host", mcap_text(text));
	recording_time_text(real_ns, text, sizeof text);
	mcap_put_pair(pairs, "started", mcap_text(text));
	put_count(pairs, "part", writer->part);
	put_count(pairs, "sync_ns",
		writer->options.sync ? writer->options.group_ns : 0);
	return write_metadata(writer, RECORDING_BEGIN);
}

static int begin_file(struct record_writer *writer)
{
	struct mcap_write_options options = {
		.compression = writer->options.compression,
		.chunk_bytes = writer->options.chunk_bytes,
	};
	char library[64];
	int error;

	writer->fd = open_part(writer);
	if (writer->fd < 0)
		return writer->fd;
	if (writer->options.sync)
		sync_folder(writer->path);
	snprintf(library, sizeof library, "libmsg %s", msg_version());
	options.library = mcap_text(library);
	memset(writer->totals, 0, sizeof writer->totals);
	writer->events_id = 0;
	writer->event_count = 0;
	writer->schema_count = 0;
	writer->began_ns = clock_ns();
	error = mcap_writer_open(&writer->mcap, writer->fd, &options);
	if (error == 0)
		error = write_begin(writer);
	writer->counts.files++;
	return error;
}

/* ---- groups -------------------------------------------------------------- */

/* Tell the disk; a pipe has none. */
static int sync_file(struct record_writer *writer)
{
	struct record_counts *counts = &writer->counts;
	uint64_t began = clock_ns(), took;

	if (fdatasync(writer->fd) < 0 && errno != EINVAL && errno != EROFS &&
		errno != ENOTSUP)
		return -errno;
	took = clock_ns() - began;
	counts->syncs++;
	if (took > counts->sync_ns_max)
		counts->sync_ns_max = took;
	return 0;
}

static void note_bytes(struct record_writer *writer)
{
	writer->counts.file_bytes = writer->bytes_before + writer->mcap.offset;
}

static int end_group(struct record_writer *writer)
{
	int error = mcap_writer_flush(&writer->mcap);

	if (error == 0 && writer->options.sync)
		error = sync_file(writer);
	if (error < 0)
		return error;
	writer->dirty = false;
	writer->counts.synced = writer->counts.messages;
	note_bytes(writer);
	return 0;
}

static int end_file(struct record_writer *writer)
{
	struct mcap_bytes *pairs = &writer->scratch;
	int error = end_group(writer);

	pairs->bytes = 0;
	put_count(pairs, "messages", writer->totals[RECORD_TOTAL_MESSAGES]);
	put_count(pairs, "bytes", writer->totals[RECORD_TOTAL_BYTES]);
	put_count(pairs, "lost", writer->totals[RECORD_TOTAL_LOST]);
	put_count(pairs, "dropped", writer->totals[RECORD_TOTAL_DROPPED]);
	if (error == 0)
		error = write_metadata(writer, RECORDING_TOTALS);
	if (error == 0)
		error = mcap_writer_finish(&writer->mcap);
	if (error == 0 && writer->options.sync)
		error = sync_file(writer);
	if (error < 0)
		return error;
	note_bytes(writer);
	writer->bytes_before += writer->mcap.offset;
	mcap_writer_close(&writer->mcap);
	error = close(writer->fd) < 0 ? -errno : 0;
	writer->fd = -1;
	return error;
}

static int rotate(struct record_writer *writer)
{
	int error = end_file(writer);

	return error < 0 ? error : begin_file(writer);
}

/* ---- the thread ---------------------------------------------------------- */

static int write_entry(
	struct record_writer *writer, const struct record_entry *entry)
{
	if (!writer->dirty) {
		writer->dirty = true;
		writer->due_ns = clock_ns() + writer->options.group_ns;
	}
	if (entry->kind == RECORD_MESSAGE)
		return record_write_message(writer, entry);
	return record_write_event(writer, entry);
}

static int take_entry(
	struct record_writer *writer, const struct record_entry *entry)
{
	int error = write_entry(writer, entry);

	if (error == -ENOSPC && writer->mcap.error == 0) {
		/* Not of the disk: no room for more channels. */
		error = rotate(writer);
		record_channels_forget(writer);
		if (error == 0)
			error = write_entry(writer, entry);
	}
	if (error == 0 && entry->kind == RECORD_MESSAGE)
		writer->counts.messages++;
	return error;
}

/* What is due by time or size. */
static int keep_up(struct record_writer *writer)
{
	const struct record_write_options *o = &writer->options;
	uint64_t now = clock_ns();
	int error = 0;

	if (writer->dirty && now >= writer->due_ns)
		error = end_group(writer);
	if (error < 0)
		return error;
	if ((o->rotate_bytes && writer->mcap.offset >= o->rotate_bytes) ||
		(o->rotate_ns && now - writer->began_ns >= o->rotate_ns &&
			writer->totals[RECORD_TOTAL_MESSAGES] > 0) ||
		mcap_writer_index_bytes(&writer->mcap) >= INDEX_BYTES_MAX)
		return rotate(writer);
	return 0;
}

static uint64_t until(const struct record_writer *writer)
{
	uint64_t until = clock_ns() + IDLE_NS;

	if (writer->dirty && writer->due_ns < until)
		until = writer->due_ns;
	if (writer->options.rotate_ns &&
		writer->began_ns + writer->options.rotate_ns < until &&
		writer->totals[RECORD_TOTAL_MESSAGES] > 0)
		until = writer->began_ns + writer->options.rotate_ns;
	return until;
}

/* What was written last may end in the middle of a record. */
static void give_up(struct record_writer *writer, int error)
{
	if (writer->fd >= 0 && writer->mcap.offset > writer->mcap.flushed &&
		ftruncate(writer->fd, (off_t)writer->mcap.flushed) < 0)
		errno = 0; /* Readers find the last whole record, too. */
	writer->counts.error = -error;
}

/* Some of what waits, so that the clock is not read for each. */
static int take_some(struct record_writer *writer, bool *ended)
{
	uint64_t wait = until(writer);
	int error = 0;

	for (int i = 0; i < ENTRIES_MAX && error == 0; i++) {
		const struct record_entry *entry =
			record_queue_get(writer->queue, wait, ended);

		if (!entry)
			break;
		error = take_entry(writer, entry);
		record_queue_drop(writer->queue);
		wait = 0;
	}
	return error;
}

static void *run(void *context)
{
	struct record_writer *writer = context;
	bool ended = false;
	int error = 0;

	while (error == 0 && !ended) {
		error = take_some(writer, &ended);
		if (error == 0)
			error = keep_up(writer);
	}
	if (error == 0)
		error = end_file(writer);
	if (error < 0)
		give_up(writer, error);
	return NULL;
}

static void free_all(struct record_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = -1;
	mcap_writer_close(&writer->mcap);
	record_channels_close(writer);
}

/* Signals are for the thread that takes. */
static int start_thread(struct record_writer *writer)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&writer->thread, NULL, run, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

int record_writer_start(struct record_writer *writer,
	struct record_queue *queue, const struct record_write_options *options)
{
	int error = 0;

	*writer = (struct record_writer){
		.options = *options, .queue = queue, .fd = -1};
	if (!record_channels_open(writer))
		error = -ENOMEM;
	if (error == 0)
		error = begin_file(writer);
	if (error == 0)
		error = start_thread(writer);
	if (error < 0)
		free_all(writer);
	return error;
}

int record_writer_join(struct record_writer *writer)
{
	int error;

	pthread_join(writer->thread, NULL);
	error = writer->counts.error;
	free_all(writer);
	return -error;
}
