/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_channel.c - what link/channel.h promises, on the lane named.
 *
 *	test_channel [--device NAME | --interface NAME] [--ipv6]
 *
 * The same list runs over TCP (loopback, without arguments) and over the RC
 * queue pairs of a verbs device; what is of one kind only is counted as skipped
 * on the other.
 *
 * Neighbours: cases.h, a file for each noun; end.h, the set they all use.
 */
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

int main(int argc, char **argv)
{
	Suite *suite = suite_create("channel");

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--device") == 0 && i + 1 < argc) {
			end_device = argv[++i];
		} else if (strcmp(argv[i], "--interface") == 0 && i + 1 < argc) {
			end_interface = argv[++i];
		} else if (strcmp(argv[i], "--ipv6") == 0) {
			end_family = AF_INET6;
		} else {
			fprintf(stderr,
				"usage: %s [--device NAME | --interface NAME] "
				"[--ipv6]\n",
				argv[0]);
			return 2;
		}
	}
	add_connect(suite);
	add_message(suite);
	add_read(suite);
	add_break(suite);
	add_hostile(suite);
	add_sleep(suite);
	add_ack(suite);
	add_session(suite);
	add_caller(suite);
	add_called(suite);
	return check_main(suite, NULL);
}
