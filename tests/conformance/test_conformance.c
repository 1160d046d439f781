/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_conformance.c - what libmsg promises, on whatever lane it stands.
 *
 *     test_conformance [--device rxe0] [--interface X] [--reliable | --rc] [--quick]
 *     test_conformance --broker NAME
 *
 * Without options: kernel UDP on loopback.  The same program runs on SoftRoCE
 * in the machine of tests/softroce, and through a broker (broker.sh); with
 * --reliable all topics are reliable, with --rc they are had by connections, and
 * the promises are the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static int usage(void)
{
	fprintf(stderr, "test_conformance [--device NAME] [--interface NAME] "
			"[--broker NAME] [--reliable | --rc] [--quick]\n");
	return 2;
}

/* Loading libfabric takes some 0.3 s, ten times that where processors are emulated,
 * and each test is a process of its own: load it once here, by a call that fails
 * behind it. */
static void load_once(void)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_node *node;

	o.interface = "no-such-one";
	o.lane = MSG_LANE_UDP;
	if (msg_node_open(&o, &node) == 0)
		abort();
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("conformance");

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--quick") == 0)
			lane.quick = true;
		else if (strcmp(argv[i], "--reliable") == 0)
			lane.reliable = true;
		else if (strcmp(argv[i], "--rc") == 0)
			lane.rc = true;
		else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
			lane.device = argv[++i];
		else if (strcmp(argv[i], "--interface") == 0 && i + 1 < argc)
			lane.interface = argv[++i];
		else if (strcmp(argv[i], "--broker") == 0 && i + 1 < argc)
			lane.broker = argv[++i];
		else
			return usage();
	if (lane.device)
		lane.patience = 5;
	/* Options of an older program have no name for it. */
	if (lane.broker)
		setenv("MSG_BROKER", lane.broker, 1);
	if (!lane.broker)
		load_once();
	add_basic(suite);
	add_loans(suite);
	add_views(suite);
	add_loss(suite);
	add_reliable(suite);
	add_large(suite);
	add_kept(suite);
	add_streams(suite);
	add_topics(suite);
	add_types(suite);
	add_wake(suite);
	add_life(suite);
	add_errors(suite);
	add_zero_copy(suite);
	return check_main(suite, NULL);
}
