/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - a host of a test's own: a folder, a configuration, and its broker.
 *
 * The broker is the program of this build, with no network unless a test asks
 * for one.  It listens at a path of its own, so that no other broker of the
 * machine is met.  Whatever a test starts ends with the test: each process is a
 * child of the test's, and dies with it.
 */
#ifndef TESTS_SURVIVE_HOST_H
#define TESTS_SURVIVE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <msg/msg.h>

#include "now.h"

struct host {
	char folder[64];
	char socket[96];
	char config[96];
	char log[96];
	const char *program; /* The broker's; NULL: that of this build. */
	const char *const *arguments; /* More of them; NULL at the end, or NULL. */
	uint32_t descriptors;         /* RLIMIT_NOFILE; 0: as it is. */
	pid_t broker;                 /* 0: none runs. */
	uint32_t flags;     /* Of its nodes: enum msg_node_flags. */
	const char *device; /* Nodes have it for themselves, and no broker. */
};

/* A folder and a configuration: `config` goes behind quotas that are no limit,
 * and NULL is allowed.  Of what was in *host the program stays. */
void host_open(struct host *host, const char *config);
/* Ends the broker, if one runs, and removes the folder. */
void host_close(struct host *host);

/* Start the broker.  host_start waits until it can be connected to. */
void host_launch(struct host *host);
void host_start(struct host *host);
bool host_is_bound(const struct host *host);

/* Send the broker a signal and wait for its end; its wait status. */
int host_end(struct host *host, int signal);
/* Whether it still runs; false also reaps it. */
bool host_is_alive(struct host *host);

/* Lines of its log that contain `text`. */
unsigned host_log_count(const struct host *host, const char *text);

/* A node on this host's broker, or on its device; what msg_node_open says. */
int host_node(const struct host *host, struct msg_node **node);

/* ---- looking at processes ------------------------------------------------ */

unsigned process_descriptors(pid_t pid);
/* Of memory, files apart: its own, and segments; KiB. */
uint64_t process_memory_kib(pid_t pid);
/* Lines of its maps that contain `text`. */
unsigned process_maps(pid_t pid, const char *text);

/* How long its threads were ready to run and had no processor, in all; 0 where the
 * kernel does not say (CONFIG_SCHED_INFO). */
uint64_t process_queued_ns(pid_t pid);

void sleep_us(uint64_t us);

#endif
