/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.h - what the parts of `msg file` share.
 *
 *     file.c           the command line
 *     file_scan.c      read a whole file, and keep books of it
 *     file_info.c      `msg file info`: show them
 *     file_recover.c   `msg file recover`: what can be read, into a new file
 */
#ifndef TOOL_FILE_H
#define TOOL_FILE_H

#include "mcap_table.h"
#include "recording.h"

#define FILE_REASONS_MAX 16

struct file_request {
	const char *output; /* NULL: none. */
	bool overwrite;
	bool as_json;
	bool losses; /* Each of them. */
};

/* The books of a channel. */
struct file_channel {
	struct recording_channel about;
	bool of_topic; /* Its name could be a topic. */
	uint64_t messages, bytes, largest;
	uint64_t first_ns, last_ns;
	uint64_t next;     /* The sequence expected. */
	uint64_t missing;  /* By the numbers of what is there. */
	uint64_t told;     /* Of these, what events say of it. */
	uint64_t disorder; /* Messages behind a later one. */
};

struct file_reason {
	char reason[16];
	uint64_t losses; /* Times. */
	uint64_t lost;   /* Messages. */
};

struct file_scan {
	const char *path;
	int fd;
	struct mcap_source source;
	struct mcap_reader reader;
	struct mcap_table table; /* Its channels' `user`: a file_channel. */

	enum mcap_result
		result;      /* MCAP_END: whole.  Else the first trouble, … */
	uint64_t trouble_at; /* … and where. */
	const char *trouble; /* What the CRCs cannot show; NULL: nothing. */
	bool summary;        /* There is one. */
	char library[64];
	char patterns[256], host[72], lane[256]; /* Of ours; "" else. */

	struct mcap_statistics found, told;
	uint64_t packed_bytes, unpacked_bytes;
	uint64_t chunks_hash, indexes_hash; /* Of all, in whatever order. */
	uint32_t index_count;
	uint64_t messages, bytes;  /* Of topics; bytes of payload. */
	uint64_t start_ns, end_ns; /* Of these. */
	uint64_t lost, dropped, events;
	struct file_reason reasons[FILE_REASONS_MAX];
	int reason_count;
};

/* Read all of it; `on_loss`, if given, hears of each event of a loss, with the
 * message that tells it.  false: it cannot be read at all, and it was said why.
 */
typedef void file_loss_fn(
	void *context, const struct recording_event *event, uint64_t log_ns);
bool file_scan(struct file_scan *scan, const char *path, file_loss_fn *on_loss,
	void *context);
void file_scan_close(struct file_scan *scan);

/* A text of the file into a buffer, cut where it does not fit. */
void file_copy_text(char *to, size_t capacity, struct mcap_text text);

int file_info(const struct file_request *request, char **paths, int count);
int file_recover(const struct file_request *request, const char *path);

#endif
