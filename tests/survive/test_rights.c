/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_rights.c - users who may not: read a topic, take descriptors of others,
 * write what they were given to read.  Needs root, to become others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <msg/msg.h>

#include "link/shm/session.h"
#include "pool/ring.h"

#include "actor.h"
#include "stranger.h"

#define MAY 4711     /* Is named in the topic's section. */
#define MAY_NOT 4712 /* Is not. */

static const char config[] = "[topic secret.*]\n"
			     "subscribe = uid:0, uid:4711\n"
			     "publish = uid:0\n"
			     "[default]\n"
			     "subscribe = *\n"
			     "publish = *\n";

static struct host host;
static struct actor *publisher, *reader;

static void setup(void)
{
	struct publisher_plan pp = {
		.host = &host, .topic = "secret.plan", .bytes_min = 64,
		.bytes_max = 1000, .burst = 4, .pause_us = 1000,
	};
	struct subscriber_plan sp = {.host = &host, .topic = "secret.plan",
		.slow = MSG_SLOW_BLOCK, .keep = 8, .buffers = 64};

	if (geteuid() != 0)
		return;
	actors_open();
	host_open(&host, config);
	host_start(&host);
	reader = subscriber_start(&sp);
	publisher = publisher_start(&pp);
	AWAIT(20, subscriber_delivered(reader) > 100);
}

/* Whatever was tried, the one who may read has all, unchanged. */
static void teardown(void)
{
	if (geteuid() != 0)
		return;
	ck_assert(host_is_alive(&host));
	publisher->mode = ACTOR_IDLE;
	sleep_us(20000);
	AWAIT(20, book_is_level(reader, publisher));
	ck_assert_uint_eq(subscriber_lost(reader), 0);
	actor_stop(reader);
	actor_stop(publisher);
	host_close(&host);
}

static void become(struct actor *me, uid_t uid)
{
	if (setgid(uid) < 0 || setuid(uid) < 0)
		actor_fail(me, "cannot become uid %u", uid);
	/* As a process of that user is: its own /proc/self/fd is open to it. */
	prctl(PR_SET_DUMPABLE, 1);
}

static void run(const char *name,
	void (*role)(struct actor *me, const void *context))
{
	struct actor *actor = actor_start(name, role, NULL);

	AWAIT(30, actor->pid == 0);
}

/* ---- topics ------------------------------------------------------------------------ */

static void refused(struct actor *me, int result, const char *text)
{
	if (result != -MSG_ERROR_DENIED || !strstr(msg_error_text(), text))
		actor_fail(me, "wanted DENIED and '%s', got %s and '%s'", text,
			msg_error_name(result), msg_error_text());
}

static void ask_politely(struct actor *me, const void *context)
{
	struct msg_subscriber_options so = MSG_SUBSCRIBER_OPTIONS;
	struct msg_publisher_options po = MSG_PUBLISHER_OPTIONS;
	struct msg_directory *directory;
	struct msg_topic_info infos[8];
	struct msg_subscriber *s;
	struct msg_publisher *p;
	struct msg_node *node;
	int n;

	(void)context;
	become(me, MAY_NOT);
	actor_must(me, host_node(&host, &node), "node");
	so.topic = po.topic = "secret.plan";
	refused(me, msg_subscriber_open(node, &so, &s),
		"uid 4712 may not subscribe to 'secret.plan'");
	refused(me, msg_publisher_open(node, &po, &p),
		"uid 4712 may not publish 'secret.plan'");
	actor_must(me, msg_directory_open(node, NULL, &directory), "directory");
	n = msg_directory_read(directory, 100000000, infos, 8);
	if (n != 0)
		actor_fail(me, "the directory shows %d topics", n);
}

static void ask_by_pattern(struct actor *me, const void *context)
{
	static struct stranger s;

	(void)context;
	become(me, MAY_NOT);
	if (!stranger_connect(&s, host.socket) || !stranger_subscribe(&s, ">"))
		actor_fail(me, "cannot subscribe to '>'");
	while (stranger_hear(&s, 300))
		actor_fail(me, "is given message %d with %u descriptors",
			(int)s.got.kind, s.fd_count);
	stranger_close(&s);
	if (!stranger_connect(&s, host.socket) ||
		!stranger_subscribe(&s, "secret.plan"))
		actor_fail(me, "no answer");
	if (s.got.kind != MSG_CONTROL_REFUSED || s.fd_count != 0 ||
		s.got.refused.code != MSG_ERROR_DENIED || stranger_hear(&s, 300))
		actor_fail(me, "is not refused, or is told more");
	stranger_close(&s);
}

START_TEST(who_is_not_named_is_given_nothing)
{
	if (geteuid() != 0)
		CHECK_SKIP("becoming other users takes root");
	run("asks politely", ask_politely);
	run("asks by pattern", ask_by_pattern);
	ck_assert_uint_gt(host_log_count(&host, "warning: right-refused"), 0);
}
END_TEST

/* ---- descriptors of others ----------------------------------------------------------- */

static void must_fail(struct actor *me, bool failed, const char *what, int on)
{
	if (!failed)
		actor_fail(me, "%s succeeds on %d", what, on);
}

static void rob(struct actor *me, pid_t pid)
{
	char path[64], byte;
	struct iovec local = {&byte, 1}, remote = {me, 1};
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, i);
		must_fail(me, open(path, O_RDONLY) < 0, path, i);
		if (fd >= 0)
			must_fail(me,
				syscall(SYS_pidfd_getfd, fd, i, 0) < 0,
				"pidfd_getfd", i);
	}
	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	must_fail(me, open(path, O_RDONLY) < 0, path, (int)pid);
	snprintf(path, sizeof path, "/proc/%d/map_files", (int)pid);
	must_fail(me, open(path, O_RDONLY | O_DIRECTORY) < 0, path, (int)pid);
	must_fail(me, ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0, "ptrace",
		(int)pid);
	must_fail(me, process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0,
		"process_vm_readv", (int)pid);
}

static void rob_all(struct actor *me, const void *context)
{
	(void)context;
	become(me, MAY_NOT);
	rob(me, host.broker);
	rob(me, publisher->pid);
	rob(me, reader->pid);
}

START_TEST(descriptors_of_others_cannot_be_taken)
{
	if (geteuid() != 0)
		CHECK_SKIP("becoming other users takes root");
	run("a robber", rob_all);
}
END_TEST

/* ---- what was given to read ------------------------------------------------------------ */

static void try_to_map(struct actor *me, int fd, size_t bytes)
{
	uint8_t *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		fd, 0);

	must_fail(me, map == MAP_FAILED, "a writable map", fd);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		actor_fail(me, "cannot map %d to read", fd);
	must_fail(me, mprotect(map, bytes, PROT_READ | PROT_WRITE) < 0,
		"mprotect", fd);
	must_fail(me, madvise(map, bytes, MADV_REMOVE) < 0, "MADV_REMOVE", fd);
	munmap(map, bytes);
}

static void try_to_write(struct actor *me, int fd)
{
	must_fail(me, pwrite(fd, "x", 1, 0) < 0, "pwrite", fd);
	must_fail(me, ftruncate(fd, 0) < 0, "truncating to 0", fd);
	must_fail(me, ftruncate(fd, 1ll << 40) < 0, "growing", fd);
	must_fail(me,
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			4096) < 0,
		"punching a hole", fd);
	must_fail(me, fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096) < 0,
		"zeroing", fd);
	must_fail(me, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0, "sealing", fd);
}

/* A segment sealed against writing: by itself, and opened anew. */
static void attack(struct actor *me, int fd, size_t bytes)
{
	char path[64];
	int again;

	try_to_map(me, fd, bytes);
	try_to_write(me, fd);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	me->turns += again >= 0;
	if (again >= 0) {
		try_to_map(me, again, bytes);
		try_to_write(me, again);
		close(again);
	}
	again = open(path, O_RDWR | O_TRUNC);
	must_fail(me, again < 0, "open with O_TRUNC", fd);
}

static void attack_what_is_given(struct actor *me, const void *context)
{
	static struct stranger s;

	(void)context;
	become(me, MAY);
	if (!stranger_connect(&s, host.socket) ||
		!stranger_greet(&s, MSG_CONTROL_SUBSCRIBER))
		actor_fail(me, "no welcome");
	attack(me, s.fds[0], MSG_SESSION_BYTES);
	stranger_close(&s);
	if (!stranger_connect(&s, host.socket) ||
		!stranger_subscribe(&s, "secret.plan") ||
		!stranger_hear(&s, 5000) || s.got.kind != MSG_CONTROL_RING)
		actor_fail(me, "no ring");
	attack(me, s.fds[0], msg_ring_bytes(s.got.ring.entry_count));
	attack(me, s.fds[1], s.got.ring.pool_bytes);
	/* The ledger is its own to write, but not to shrink. */
	must_fail(me, ftruncate(s.fds[2], 0) < 0, "shrinking a ledger",
		s.fds[2]);
	must_fail(me, ftruncate(s.fds[2], 1 << 30) < 0, "growing a ledger",
		s.fds[2]);
	stranger_close(&s);
}

START_TEST(what_was_given_to_read_cannot_be_written)
{
	if (geteuid() != 0)
		CHECK_SKIP("becoming other users takes root");
	run("a vandal", attack_what_is_given);
}
END_TEST

/* A ledger full of every kind of lie, for as long as the publisher believes it. */
static void lie(struct actor *me, const void *context)
{
	static struct stranger s;
	struct random_stream random = {check_seed()};
	uint64_t *ledger;
	size_t words;

	(void)context;
	become(me, MAY);
	for (int i = 0; i < 30; i++) {
		if (!stranger_connect(&s, host.socket) ||
			!stranger_subscribe(&s, "secret.*") ||
			!stranger_hear(&s, 5000) ||
			s.got.kind != MSG_CONTROL_RING)
			actor_fail(me, "no ring");
		words = msg_ring_ledger_bytes(s.got.ring.hold_max) / 8;
		ledger = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
			MAP_SHARED, s.fds[2], 0);
		if (ledger == MAP_FAILED)
			actor_fail(me, "cannot map its ledger");
		for (size_t k = 0; k < words; k++)
			ledger[k] = i == 0   ? UINT64_MAX
				    : i == 1 ? 1ull << 63
					     : random_next(&random) >>
						       random_below(
							       &random, 64);
		sleep_us(20000);
		munmap(ledger, words * 8);
		stranger_close(&s);
	}
}

START_TEST(a_ledger_that_lies_hurts_nobody_else)
{
	if (geteuid() != 0)
		CHECK_SKIP("becoming other users takes root");
	run("a liar", lie);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rights");
	TCase *tcase = check_case(suite, "rights", 60);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, who_is_not_named_is_given_nothing);
	tcase_add_test(tcase, descriptors_of_others_cannot_be_taken);
	tcase_add_test(tcase, what_was_given_to_read_cannot_be_written);
	tcase_add_test(tcase, a_ledger_that_lies_hurts_nobody_else);
	return check_main(suite, NULL);
}
