/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fault_fabric.c - failing allocations down to the provider, on kernel UDP.
 *
 * Our malloc is found by every library; it fails only for callers in libmsg and
 * its fabric module: what libfabric does without memory is not ours to test.
 * Not under a sanitizer, which has a malloc of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check_main.h"
#include "faults.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

int main(void)
{
	printf("SKIP fault_fabric: a sanitizer has a malloc of its own\n");
	return CHECK_EXIT_SKIPPED;
}

#else

#define OURS_MAX 4

static struct {
	uintptr_t from, to;
} ours[OURS_MAX];
static int ours_count;

static int note_ours(struct dl_phdr_info *info, size_t bytes, void *unused)
{
	const char *name = strrchr(info->dlpi_name, '/');

	(void)bytes;
	(void)unused;
	if (!name || strncmp(name, "/libmsg", 7) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum && ours_count < OURS_MAX; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		ours[ours_count].from = info->dlpi_addr + p->p_vaddr;
		ours[ours_count].to = ours[ours_count].from + p->p_memsz;
		ours_count++;
	}
	return 0;
}

static bool is_ours(const void *caller)
{
	for (int i = 0; i < ours_count; i++)
		if ((uintptr_t)caller >= ours[i].from &&
			(uintptr_t)caller < ours[i].to)
			return true;
	return false;
}

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);

static bool fails(const void *caller)
{
	return is_ours(caller) && faults_now();
}

void *malloc(size_t bytes)
{
	return fails(__builtin_return_address(0)) ? NULL
						  : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	return fails(__builtin_return_address(0))
		       ? NULL
		       : __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
	return fails(__builtin_return_address(0))
		       ? NULL
		       : __libc_realloc(block, bytes);
}

/* A join whose verdict finds no memory is waited for: not for 5 s here. */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	int most = timeout_ms > 50 ? 50 : timeout_ms;
	int n = (int)syscall(SYS_poll, fds, count, most);

	if (n != 0 || most == timeout_ms)
		return n;
	errno = ETIMEDOUT;
	return -1;
}

/* ---- opening --------------------------------------------------------------- */

static struct msg_node_options options(void)
{
	static char groups[64];
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_node *node;

	snprintf(groups, sizeof groups, "239.253.%d.0+16", getpid() % 256);
	o.groups = groups;
	o.port = 40000 + (uint32_t)getpid() % 20000;
	o.lane = MSG_LANE_UDP;
	o.announce_ms = 60000;
	ck_assert_msg(
		msg_node_open(&o, &node) == 0, "%s", msg_error_text());
	ck_assert_int_eq(msg_node_close(node), 0);
	ours_count = 0;
	dl_iterate_phdr(note_ours, NULL);
	/* The library and its module. */
	ck_assert_int_eq(ours_count, 2);
	return o;
}

static long open_files(void)
{
	long n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(nodes)
{
	struct msg_node_options o = options();
	long before = open_files();

	faults_open_node(&o);
	ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(publishers)
{
	struct msg_node_options o = options();
	long before = open_files();

	faults_open_publisher(&o);
	ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(subscribers)
{
	struct msg_node_options o = options();
	long before = open_files();

	faults_open_subscriber(&o, _i ? "fault.*" : "fault");
	ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(directories)
{
	struct msg_node_options o = options();
	long before = open_files();

	faults_open_directory(&o);
	ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(who_has_no_descriptor_for_the_module_is_told_so)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	const struct rlimit none = {0, 0};
	struct msg_node *node;

	o.lane = MSG_LANE_UDP;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(msg_node_open(&o, &node), -MSG_ERROR_FABRIC);
	ck_assert_msg(strstr(msg_error_text(), "cannot load") &&
			      strstr(msg_error_text(), "(ulimit -n)"),
		"%s", msg_error_text());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults, fabric");
	TCase *open = check_case(suite, "open", 120);

	tcase_add_test(open, nodes);
	tcase_add_test(open, publishers);
	tcase_add_loop_test(open, subscribers, 0, 2);
	tcase_add_test(open, directories);
	tcase_add_test(open, who_has_no_descriptor_for_the_module_is_told_so);
	return check_main(suite, NULL);
}

#endif
