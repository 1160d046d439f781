/* SPDX-License-Identifier: BSD-2-Clause */
/* plan.c - a measurement's plan from its arguments; see harness.h. */
#include "harness.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 10000000u

static const char usage[] =
	"usage: %s latency|rate [OPTION...]\n"
	"  --block              the receiver sleeps; without: both spin\n"
	"  --fifo               with real-time priority, where that is "
	"allowed\n"
	"  --idle               latency: the sender sleeps between messages\n"
	"  --bytes N            of a message (64)\n"
	"  --batch N            messages a push (rate: 64)\n"
	"  --window N           most messages under way, 0: no limit (512)\n"
	"  --count N, --rate R  latency: messages, and how many a second\n"
	"  --seconds S          rate: how long (1)\n"
	"  --interface IF       of both; or --sender-interface IF,\n"
	"                       --receiver-interface IF (lo)\n"
	"  --sender-netns NS, --receiver-netns NS\n"
	"  --sender-cpu N, --receiver-cpu N   (1, 0); -1: not pinned\n"
	"  --device DEV         RDMA device\n"
	"  --group ADDR, --port N\n"
	"  --frame-bytes N, --buffers N       libmsg only\n"
	"  --style S            raw: lone, batch (default), gso; libmsg: of\n"
	"                       reliable topics: reliable, or thread, with one\n"
	"                       that serves receivers\n"
	"  --history BYTES      libmsg, reliable: memory for what was sent\n"
	"  --samples FILE       latencies for a picture\n"
	"  --trace FILE         latency: of each message when it was sent and how\n"
	"                       long it took\n"
	"  --columns            print the names of the columns and stop\n";

enum {
	OPT_BLOCK = 256,
	OPT_FIFO,
	OPT_IDLE,
	OPT_BYTES,
	OPT_BATCH,
	OPT_WINDOW,
	OPT_COUNT,
	OPT_RATE,
	OPT_SECONDS,
	OPT_INTERFACE,
	OPT_SENDER_INTERFACE,
	OPT_RECEIVER_INTERFACE,
	OPT_SENDER_NETNS,
	OPT_RECEIVER_NETNS,
	OPT_SENDER_CPU,
	OPT_RECEIVER_CPU,
	OPT_DEVICE,
	OPT_GROUP,
	OPT_PORT,
	OPT_FRAME_BYTES,
	OPT_BUFFERS,
	OPT_STYLE,
	OPT_HISTORY,
	OPT_SAMPLES,
	OPT_TRACE,
	OPT_COLUMNS,
};

static const struct option options[] = {
	{"block", no_argument, NULL, OPT_BLOCK},
	{"fifo", no_argument, NULL, OPT_FIFO},
	{"idle", no_argument, NULL, OPT_IDLE},
	{"bytes", required_argument, NULL, OPT_BYTES},
	{"batch", required_argument, NULL, OPT_BATCH},
	{"window", required_argument, NULL, OPT_WINDOW},
	{"count", required_argument, NULL, OPT_COUNT},
	{"rate", required_argument, NULL, OPT_RATE},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"interface", required_argument, NULL, OPT_INTERFACE},
	{"sender-interface", required_argument, NULL, OPT_SENDER_INTERFACE},
	{"receiver-interface", required_argument, NULL, OPT_RECEIVER_INTERFACE},
	{"sender-netns", required_argument, NULL, OPT_SENDER_NETNS},
	{"receiver-netns", required_argument, NULL, OPT_RECEIVER_NETNS},
	{"sender-cpu", required_argument, NULL, OPT_SENDER_CPU},
	{"receiver-cpu", required_argument, NULL, OPT_RECEIVER_CPU},
	{"device", required_argument, NULL, OPT_DEVICE},
	{"group", required_argument, NULL, OPT_GROUP},
	{"port", required_argument, NULL, OPT_PORT},
	{"frame-bytes", required_argument, NULL, OPT_FRAME_BYTES},
	{"buffers", required_argument, NULL, OPT_BUFFERS},
	{"style", required_argument, NULL, OPT_STYLE},
	{"history", required_argument, NULL, OPT_HISTORY},
	{"samples", required_argument, NULL, OPT_SAMPLES},
	{"trace", required_argument, NULL, OPT_TRACE},
	{"columns", no_argument, NULL, OPT_COLUMNS},
	{NULL, 0, NULL, 0},
};

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 0);
}

static bool take_number(struct perf_plan *plan, int option, const char *text)
{
	switch (option) {
	case OPT_BYTES:
		plan->bytes = number(text);
		return true;
	case OPT_BATCH:
		plan->batch = number(text);
		return true;
	case OPT_WINDOW:
		plan->window = number(text);
		return true;
	case OPT_COUNT:
		plan->count = number(text);
		return true;
	case OPT_RATE:
		plan->rate = atof(text);
		return true;
	case OPT_SECONDS:
		plan->seconds = atof(text);
		return true;
	case OPT_SENDER_CPU:
		plan->sender.cpu = atoi(text);
		return true;
	case OPT_RECEIVER_CPU:
		plan->receiver.cpu = atoi(text);
		return true;
	case OPT_PORT:
		plan->port = number(text);
		return true;
	case OPT_FRAME_BYTES:
		plan->frame_bytes = number(text);
		return true;
	case OPT_BUFFERS:
		plan->buffer_count = number(text);
		return true;
	case OPT_HISTORY:
		plan->history_bytes = number(text);
		return true;
	default:
		return false;
	}
}

static bool take_text(struct perf_plan *plan, int option, const char *text)
{
	switch (option) {
	case OPT_BLOCK:
		plan->block = true;
		return true;
	case OPT_FIFO:
		plan->fifo = true;
		return true;
	case OPT_IDLE:
		plan->idle = true;
		return true;
	case OPT_INTERFACE:
		plan->sender.interface = plan->receiver.interface = text;
		return true;
	case OPT_SENDER_INTERFACE:
		plan->sender.interface = text;
		return true;
	case OPT_RECEIVER_INTERFACE:
		plan->receiver.interface = text;
		return true;
	case OPT_SENDER_NETNS:
		plan->sender.netns = text;
		return true;
	case OPT_RECEIVER_NETNS:
		plan->receiver.netns = text;
		return true;
	case OPT_DEVICE:
		plan->device = text;
		return true;
	case OPT_GROUP:
		plan->group = text;
		return true;
	case OPT_STYLE:
		plan->style = text;
		return true;
	case OPT_SAMPLES:
		plan->samples = text;
		return true;
	case OPT_TRACE:
		plan->trace = text;
		return true;
	default:
		return false;
	}
}

static int check(const struct perf_plan *plan)
{
	if (plan->bytes < 8 || plan->bytes > 16u << 20 || plan->batch < 1 ||
		plan->batch > 65536 ||
		(plan->window && plan->window < plan->batch) ||
		plan->count < 1 || plan->count > COUNT_MAX ||
		!(plan->rate > 0) || !(plan->seconds > 0))
		return -1;
	return 0;
}

static int parse(int argc, char **argv, struct perf_plan *plan)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPT_COLUMNS) {
			perf_print_columns();
			return 2;
		}
		if (!take_number(plan, option, optarg) &&
			!take_text(plan, option, optarg))
			return 1;
	}
	if (optind + 1 != argc)
		return 1;
	plan->latency = strcmp(argv[optind], "latency") == 0;
	if (!plan->latency && strcmp(argv[optind], "rate") != 0)
		return 1;
	return check(plan) == 0 ? 0 : 1;
}

int perf_plan_read(int argc, char **argv, struct perf_plan *plan)
{
	int result;

	*plan = (struct perf_plan){
		.bytes = 64,
		.batch = 64,
		.window = 512,
		.count = 20000,
		.rate = 20000,
		.seconds = 1,
		.sender = {"lo", NULL, 1},
		.receiver = {"lo", NULL, 0},
		.group = "239.255.78.1",
		.port = 7478,
	};
	result = parse(argc, argv, plan);
	if (result == 1)
		fprintf(stderr, usage, argv[0]);
	return result;
}
