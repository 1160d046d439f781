/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_write.h - the thread of `msg record` that writes.
 *
 * It alone touches the disk and asks who publishers are; what it gets from the
 * queue are entries, each whole by itself.  A chunk is written when it is full
 * or when its first message has waited for the group's time, and then told to
 * the disk: between two syncs lies one group, however many messages that are.
 *
 * A file ends when it is as large or old as asked for, and also when its index
 * or the numbers of its channels run out; the next one begins with all
 * channels told anew, so that each can be read by itself.
 */
#ifndef TOOL_RECORD_WRITE_H
#define TOOL_RECORD_WRITE_H

#include <pthread.h>
#include <stdatomic.h>

#include "mcap_write.h"
#include "record_names.h"
#include "record_queue.h"
#include "recording.h"
#include "types.h"

/* What stands in the queue, followed by the topic and the payload. */
enum record_kind {
	RECORD_MESSAGE,
	RECORD_EVENT,
};

struct record_entry {
	uint32_t kind;
	uint32_t event;  /* enum msg_event. */
	uint32_t reason; /* enum msg_loss or recording_loss. */
	uint32_t topic_bytes;
	uint64_t publisher;
	uint64_t sequence; /* Of an event, of the message expected next. */
	uint64_t log_ns;
	uint64_t lost;    /* That many up to the one before `sequence`. */
	uint64_t network; /* Of these, not by the disk. */
	uint64_t bytes;
};

/* The topic and payload behind an entry. */
static inline char *record_entry_topic(const struct record_entry *entry)
{
	return (char *)(uintptr_t)(entry + 1);
}

static inline char *record_entry_payload(const struct record_entry *entry)
{
	return record_entry_topic(entry) + entry->topic_bytes;
}

struct record_write_options {
	const char *path; /* "-": standard output. */
	bool overwrite;
	enum mcap_compression compression;
	size_t chunk_bytes;
	bool sync;                  /* fdatasync each group. */
	uint64_t group_ns;          /* What waits so long is written. */
	uint64_t rotate_bytes;      /* 0: no limit. */
	uint64_t rotate_ns;         /* 0: no limit. */
	uint64_t large_bytes_max;   /* Of messages that do not travel in frames. */
	const char *patterns;       /* For the file: what is recorded, … */
	const char *lane;           /* … and how. */
	struct types *types;        /* Open; NULL: all is raw. */
	struct record_names *names; /* Open; the thread's from the start on. */
};

/* Written by the thread, read by anybody. */
struct record_counts {
	_Atomic uint64_t messages; /* In files; up to the last sync, … */
	_Atomic uint64_t synced;   /* … these. */
	_Atomic uint64_t file_bytes;
	_Atomic uint64_t syncs;
	_Atomic uint64_t sync_ns_max;
	_Atomic uint32_t files;
	_Atomic int error; /* Not 0: it gave up, for this errno. */
};

/* A topic and publisher that was met. */
struct record_channel {
	struct recording_channel about;
	uint32_t part; /* Of the file where `id` means it; 0: of none yet. */
	uint16_t id;
	uint64_t type_hash; /* 0: it names no type. */
	bool restarted; /* It was said that it is one that was here before. */
};

/* Who published a topic last, of those with this host and program. */
struct record_origin {
	uint64_t hash;
	uint64_t publisher;
};

struct record_schema {
	uint64_t hash;
	uint16_t id;
};

enum record_total {
	RECORD_TOTAL_MESSAGES,
	RECORD_TOTAL_BYTES,
	RECORD_TOTAL_LOST,    /* On the way here. */
	RECORD_TOTAL_DROPPED, /* Here. */
	RECORD_TOTAL_COUNT,
};

struct record_writer {
	struct record_write_options options;
	struct record_queue *queue;
	struct record_counts counts;
	pthread_t thread;

	/* Of the thread alone. */
	struct mcap_writer mcap;
	int fd;
	uint32_t part;         /* Of the file in hand, from 1 on. */
	bool dirty;            /* Something was not synced. */
	uint64_t due_ns;       /* When it is to be. */
	uint64_t began_ns;     /* The file in hand. */
	uint64_t bytes_before; /* In the files before. */
	uint64_t untyped_ns;   /* When a type was waited for in vain. */
	uint16_t events_id;    /* Its channel of events; 0: not told. */
	uint32_t event_count;  /* In it. */
	uint64_t totals[RECORD_TOTAL_COUNT]; /* Of the file. */
	struct mcap_bytes scratch;
	struct record_channel **channels; /* By topic and publisher. */
	uint32_t channel_count;
	struct record_origin *origins;
	struct record_schema *schemas; /* Of the file. */
	uint32_t schema_count;
	char path[4096]; /* Of the file in hand. */
};

/* Open the first file and start; 0, or an errno, negated, and then `path`
 * names the file. */
int record_writer_start(struct record_writer *writer,
	struct record_queue *queue, const struct record_write_options *options);

/* The name of a part, from 1 on, of a recording in several. */
void record_part_name(
	const char *path, uint32_t part, char *name, size_t bytes);

/* The queue was ended: wait until all is written and the file finished.  0, or
 * an errno, negated. */
int record_writer_join(struct record_writer *writer);

/* ---- record_channel.c, for the thread alone ------------------------------ */

bool record_channels_open(struct record_writer *writer);
void record_channels_close(struct record_writer *writer);
/* Forget all: their memory or their numbers ran out. */
void record_channels_forget(struct record_writer *writer);

/* Into the file in hand: 0, or an errno, negated; -ENOSPC: there is no room for
 * one more channel, begin another file and forget those known. */
int record_write_message(
	struct record_writer *writer, const struct record_entry *entry);
int record_write_event(
	struct record_writer *writer, const struct record_entry *entry);

#endif
