// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_provider.c - what a domain of udmc promises, on the domain named.
 *
 *	test_provider [--domain NAME] [--ipv6]
 *
 * The same list runs on udp-lo, on any interface and on a verbs device; where
 * a promise holds for one kind only, the test says so and is counted as
 * skipped.  The provider is called directly, as libmsg does.
 *
 * Neighbours: cases.h, a file for each noun; node.h, the endpoint they all
 * use; plugin.sh tests the same code as a plug-in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

int main(int argc, char **argv)
{
	Suite *suite = suite_create("provider");
	struct fi_info *hints, *info;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--domain") == 0 && i + 1 < argc) {
			setenv("UDMC_DOMAIN", argv[++i], 1);
		} else if (strcmp(argv[i], "--ipv6") == 0) {
			setenv("UDMC_IPV6", "1", 1);
		} else {
			fprintf(stderr, "usage: %s [--domain NAME] [--ipv6]\n",
					argv[0]);
			return 2;
		}
	}
	hints = hints_new();
	if (getinfo(hints, &info)) {
		printf("SKIP all: no domain %s%s on this machine\n",
				domain_name(), on_ipv6() ? " with IPv6" : "");
		return CHECK_EXIT_SKIPPED;
	}
	fi_freeinfo(info);
	fi_freeinfo(hints);
	add_message(suite);
	add_limits(suite);
	add_group(suite);
	add_join(suite);
	add_completion(suite);
	add_wait(suite);
	add_life(suite);
	add_address(suite);
	add_memory(suite);
	add_info(suite);
	return check_main(suite, NULL);
}
