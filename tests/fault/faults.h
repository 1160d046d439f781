/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * faults.h - the n-th request to the system fails.
 *
 * Requests are allocations, mappings, threads and random numbers made by our
 * own code.  How they are caught differs by program: test_fault_memory wraps
 * the library's calls at link time, test_fault_fabric stands before libc's
 * functions and looks who calls.
 */
#ifndef TESTS_FAULT_FAULTS_H
#define TESTS_FAULT_FAULTS_H

#include <stdbool.h>

#include <msg/msg.h>

/* From now on request `n` (from 1) fails; with `for_good`, so do all after. */
void faults_begin(unsigned n, bool for_good);
/* None fails any more; whether one did. */
bool faults_end(void);

/* To be asked by each caught request. */
bool faults_now(void);

/* Blocks that are out; a balance that must come back to where it was.  Only what
 * happens in calls of the library is counted, and only there requests fail. */
extern long faults_live;
extern bool faults_inside;

/* A call of the library and its result. */
#define INSIDE(call)                                                           \
	__extension__({                                                        \
		int result_;                                                   \
									       \
		faults_inside = true;                                          \
		result_ = (call);                                              \
		faults_inside = false;                                         \
		result_;                                                       \
	})

/* Every way to open something, with each request failing in turn. */
void faults_open_node(const struct msg_node_options *options);
void faults_open_publisher(const struct msg_node_options *options);
void faults_open_subscriber(
	const struct msg_node_options *options, const char *topic);
void faults_open_directory(const struct msg_node_options *options);

#endif
