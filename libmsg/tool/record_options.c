/* SPDX-License-Identifier: BSD-2-Clause */
/* record_options.c - the command line of `msg record`; see record.h. */
#include "record.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "delivery.h"
#include "options.h"
#include "subscribing.h"
#include "text.h"

#define QUEUE_BYTES (64u << 20)
#define ENTRY_BYTES_MAX 1024u /* Of an entry beside its payload. */
#define ROTATE_NS_MIN 100000000u
/* What is read again is no larger; packed it may be by a 256th. */
#define LARGE_BYTES_MAX (MCAP_RECORD_BYTES_MAX - (1u << 20))

enum {
	OPTION_CHUNK_BYTES = OPTION_LONG,
	OPTION_COMPRESSION,
	OPTION_JSON,
	OPTION_OVERWRITE,
	OPTION_QUEUE_BYTES,
	OPTION_REQUIRE,
	OPTION_ROTATE_BYTES,
	OPTION_ROTATE_SECONDS,
	OPTION_SYNC,
};

const struct option_spec record_options[] = {
	{'o', "output", "FILE", "the file to write ('-': stdout); required"},
	{'n', "count", "N", "end after N messages"},
	{'t', "duration", "SEC", "end after that long"},
	{OPTION_SYNC, "sync", "none|group:TIME",
		"what waits so long is written and told to\n"
		"                               the disk together "
		"(group:1s)"},
	{OPTION_COMPRESSION, "compression", "none|zstd",
		"how chunks are packed (zstd)"},
	{OPTION_CHUNK_BYTES, "chunk-bytes", "N",
		"what is compressed together (1Mi)"},
	{OPTION_ROTATE_BYTES, "rotate-bytes", "N",
		"begin another file at that size: "
		"FILE.0001, …"},
	{OPTION_ROTATE_SECONDS, "rotate-seconds", "SEC",
		"begin another file after that long"},
	{OPTION_QUEUE_BYTES, "queue-bytes", "N",
		"what may wait for the disk; beyond it\n"
		"                               messages are dropped, and "
		"told (64Mi)"},
	{OPTION_OVERWRITE, "overwrite", NULL, "replace a file that is there"},
	{OPTION_JSON, "json", NULL,
		"one JSON object a second on stdout, and one "
		"at the end"},
	{OPTION_REQUIRE, "require", "LIST",
		"exit 1 unless met: loss=0, dropped=0, "
		"messages=100"},
	SUBSCRIBING_OPTIONS,
	OPTION_END,
};

static const struct require_metric metrics[] = {
	{"loss", REQUIRE_AT_MOST},
	{"dropped", REQUIRE_AT_MOST},
	{"messages", REQUIRE_AT_LEAST},
	{NULL, REQUIRE_AT_MOST},
};

static void take_sync(struct record *record, const char *text)
{
	static const char group[] = "group:";
	double ns;

	if (strcmp(text, "none") == 0) {
		record->write.sync = false;
		return;
	}
	if (strncmp(text, group, sizeof group - 1) != 0 ||
		!time_parse(text + sizeof group - 1, 1e9, &ns)) {
		char safe[64];

		text_escape(safe, sizeof safe, text);
		usage_fail(
			"--sync '%s' is neither none nor as group:5ms", safe);
	}
	if (ns < 1e5 || ns > 60e9)
		usage_fail("--sync %s is out of range: 100us to 60s", text);
	record->write.sync = true;
	record->write.group_ns = (uint64_t)ns;
}

static void take_file_option(struct record *record, int id)
{
	static const char *const compressions[] = {"none", "zstd", NULL};
	struct record_write_options *write = &record->write;

	switch (id) {
	case 'o':
		write->path = optarg;
		break;
	case OPTION_SYNC:
		take_sync(record, optarg);
		break;
	case OPTION_COMPRESSION:
		write->compression =
			value_choice("--compression", optarg, compressions) == 0
				? MCAP_COMPRESSION_NONE
				: MCAP_COMPRESSION_ZSTD;
		break;
	case OPTION_CHUNK_BYTES:
		write->chunk_bytes =
			value_count("--chunk-bytes", optarg, 4096, 64u << 20);
		break;
	case OPTION_ROTATE_BYTES:
		write->rotate_bytes = value_count(
			"--rotate-bytes", optarg, 64u << 10, (uint64_t)1 << 50);
		break;
	case OPTION_ROTATE_SECONDS:
		write->rotate_ns = (uint64_t)(1e9 * value_seconds("--rotate-"
								  "seconds",
							    optarg));
		if (write->rotate_ns < ROTATE_NS_MIN)
			usage_fail("--rotate-seconds is out of range: 0.1 or "
				   "more");
		break;
	case OPTION_QUEUE_BYTES:
		record->queue_bytes = value_count(
			"--queue-bytes", optarg, 64u << 10, (uint64_t)16 << 30);
		break;
	case OPTION_OVERWRITE:
		write->overwrite = true;
		break;
	default:
		break;
	}
}

static void take_option(struct record *record, int id)
{
	switch (id) {
	case 'n':
		record->count =
			value_count("--count", optarg, 1, UINT64_MAX / 2);
		break;
	case 't':
		record->duration = value_limit("--duration", optarg);
		break;
	case OPTION_JSON:
		record->as_json = true;
		break;
	case OPTION_REQUIRE:
		require_parse(&record->require, optarg, metrics);
		break;
	default:
		if (!subscribing_option(&record->wanted, id))
			take_file_option(record, id);
		break;
	}
}

/* A bad one is found before there is a file. */
static void check_patterns(char **patterns, int count)
{
	for (int i = 0; i < count; i++) {
		char safe[512];

		if (msg_topic_match(patterns[i], "a") >= 0)
			continue;
		text_escape(safe, sizeof safe, msg_error_text());
		usage_fail("%s", safe);
	}
}

static void check_line(struct record *record, int argc)
{
	uint64_t largest = record->wanted.message_bytes_max
				   ? record->wanted.message_bytes_max
				   : 1u << 20;

	if (record->wanted.large_bytes_max > LARGE_BYTES_MAX)
		usage_fail("--large %zu is out of range: %u at most, the "
			   "largest that is read again",
			record->wanted.large_bytes_max, LARGE_BYTES_MAX);
	if (record->wanted.large_bytes_max > largest)
		largest = record->wanted.large_bytes_max;
	record->write.large_bytes_max = record->wanted.large_bytes_max;
	delivery_subscribing(&record->wanted);
	if (!record->write.path || !*record->write.path)
		usage_fail("--output is missing: the file to write");
	if (optind == argc)
		usage_fail("PATTERN is missing (as demo.cpu, 'md.*.bid', "
			   "'md.>'; quote wildcards)");
	if (record->as_json && strcmp(record->write.path, "-") == 0)
		usage_fail("--json and --output - exclude each other");
	if (strcmp(record->write.path, "-") == 0 &&
		(record->write.rotate_bytes || record->write.rotate_ns))
		usage_fail("standard output cannot be rotated");
	if (record->queue_bytes == 0)
		record->queue_bytes =
			QUEUE_BYTES > 4 * largest ? QUEUE_BYTES : 4 * largest;
	if (record->queue_bytes < 2 * (largest + ENTRY_BYTES_MAX))
		usage_fail("--queue-bytes is too small for messages of %" PRIu64
			   " bytes: twice that, and 2 KiB (or lower "
			   "--max-bytes and --large)",
			largest);
}

void record_read_line(struct record *record, const struct command *command,
	int argc, char **argv)
{
	int id;

	while ((id = options_next(command, &record->lane, argc, argv)) >= 0)
		take_option(record, id);
	check_line(record, argc);
	check_patterns(argv + optind, argc - optind);
}
