/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_segment.c - sealed segments; see libmsg/link/shm/segment.h.
 *
 * The attacker here has all that a client has: the descriptor and a map of its
 * own, in a process of the same user, which may do more than another user's.
 */
#include "link/shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "check_main.h"

#define BYTES (64u << 10)
#define MARK 0x5a

/* Of Linux 6.3, which headers may not know. */
#define NOEXEC_SEAL 0x0008U
#define SEAL_EXEC 0x0020

static struct msg_shm_segment ours = MSG_SHM_SEGMENT;
static struct msg_shm_segment theirs = MSG_SHM_SEGMENT;

static void create(size_t bytes, unsigned flags)
{
	ck_assert_msg(
		msg_shm_segment_create(&ours, "msg-test", bytes, flags) == 0,
		"%s", msg_trail_text());
}

static void close_both(void)
{
	msg_shm_segment_close(&theirs);
	msg_shm_segment_close(&ours);
}

/* A segment full of marks, sealed, with a read-only map of the attacker's. */
static void make_target(enum msg_shm_seal seal)
{
	create(BYTES, 0);
	memset(ours.base, MARK, BYTES);
	ck_assert_int_eq(msg_shm_segment_seal(&ours, seal), 0);
	ck_assert_msg(
		msg_shm_segment_map_readonly(&theirs, ours.fd, BYTES) == 0,
		"%s", msg_trail_text());
}

static bool is_all(const uint8_t *base, size_t bytes, uint8_t value)
{
	for (size_t i = 0; i < bytes; i++)
		if (base[i] != value)
			return false;
	return true;
}

static void is_untouched(void)
{
	ck_assert_int_eq(lseek(ours.fd, 0, SEEK_END), BYTES);
	ck_assert(is_all(ours.base, BYTES, MARK));
	ck_assert(is_all(theirs.base, BYTES, MARK));
	close_both();
}

static void is_said(const char *text)
{
	ck_assert_msg(strstr(msg_trail_text(), text) != NULL,
		"'%s' says no '%s'", msg_trail_text(), text);
}

/* ---- what it is for ---------------------------------------------------- */

static void is_there(size_t bytes)
{
	static unsigned char resident[8192];
	size_t pages = ours.bytes / 4096;

	ck_assert_uint_ge(ours.bytes, bytes);
	ck_assert_uint_eq((uintptr_t)ours.base % 4096, 0);
	ck_assert_uint_le(pages, sizeof resident);
	ck_assert_int_eq(mincore(ours.base, ours.bytes, resident), 0);
	for (size_t k = 0; k < pages; k++)
		ck_assert_msg(resident[k] & 1, "page %zu of %zu is not there",
			k, pages);
	ck_assert(is_all(ours.base, ours.bytes, 0));
	ck_assert_int_eq(fcntl(ours.fd, F_GETFD), FD_CLOEXEC);
}

START_TEST(it_is_there_zeroed_and_sealed_in_size)
{
	size_t sizes[] = {1, 4095, 4096, 4097, 3u << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int seals;

		create(sizes[i], 0);
		is_there(sizes[i]);
		seals = fcntl(ours.fd, F_GET_SEALS);
		ck_assert_int_eq(seals & F_SEAL_SHRINK, F_SEAL_SHRINK);
		ck_assert_int_eq(seals & F_SEAL_GROW, F_SEAL_GROW);
		ck_assert_int_eq(seals & F_SEAL_SEAL, 0);
		msg_shm_segment_close(&ours);
		ck_assert_ptr_null(ours.base);
		ck_assert_int_eq(ours.fd, -1);
		msg_shm_segment_close(&ours);
	}
}
END_TEST

START_TEST(nobody_can_make_a_program_of_it)
{
	int fd = memfd_create("x", NOEXEC_SEAL);

	if (fd < 0)
		CHECK_SKIP("this kernel has no MFD_NOEXEC_SEAL");
	close(fd);
	create(BYTES, 0);
	ck_assert_int_eq(fcntl(ours.fd, F_GET_SEALS) & SEAL_EXEC, SEAL_EXEC);
	ck_assert_int_eq(fchmod(ours.fd, 0777), -1);
	msg_shm_segment_close(&ours);
}
END_TEST

START_TEST(huge_pages_are_taken_if_there_are_any)
{
	size_t sizes[] = {1, 4096, 2u << 20, (2u << 20) + 1, 5u << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		create(sizes[i], MSG_SHM_HUGE);
		is_there(sizes[i]);
		ck_assert_int_eq(
			msg_shm_segment_seal(&ours, MSG_SHM_SEAL_READ_ONLY), 0);
		ck_assert_int_eq(msg_shm_segment_map_readonly(
					 &theirs, ours.fd, sizes[i]),
			0);
		ours.base[sizes[i] - 1] = MARK;
		ck_assert_uint_eq(theirs.base[sizes[i] - 1], MARK);
		close_both();
	}
}
END_TEST

/* Answer EINVAL to what kernels before 6.3 and 5.14 do not know. */
static void be_an_old_kernel(void)
{
#define NR offsetof(struct seccomp_data, nr)
#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 23, 4, 3),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NOEXEC_SEAL, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
	};
	struct sock_fprog program = {
		.len = sizeof code / sizeof *code,
		.filter = code,
	};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	ck_assert_int_eq(memfd_create("x", NOEXEC_SEAL), -1);
	ck_assert_int_eq(errno, EINVAL);
}

START_TEST(an_old_kernel_will_do)
{
	be_an_old_kernel();
	create(BYTES, 0);
	is_there(BYTES);
	msg_shm_segment_close(&ours);
}
END_TEST

START_TEST(a_writable_map_made_before_the_seal_still_writes)
{
	create(BYTES, 0);
	ck_assert_int_eq(
		msg_shm_segment_map_writable(&theirs, ours.fd, BYTES), 0);
	ck_assert_int_eq(
		msg_shm_segment_seal(&ours, MSG_SHM_SEAL_READ_ONLY), 0);
	theirs.base[0] = MARK;
	ck_assert_uint_eq(ours.base[0], MARK);
	ours.base[BYTES - 1] = MARK;
	ck_assert_uint_eq(theirs.base[BYTES - 1], MARK);
	close_both();
}
END_TEST

START_TEST(sealed_in_size_it_can_be_mapped_to_write)
{
	create(BYTES, 0);
	ck_assert_int_eq(msg_shm_segment_seal(&ours, MSG_SHM_SEAL_SIZE), 0);
	ck_assert_int_eq(
		msg_shm_segment_map_writable(&theirs, ours.fd, BYTES), 0);
	theirs.base[7] = MARK;
	ck_assert_uint_eq(ours.base[7], MARK);
	close_both();
}
END_TEST

START_TEST(a_map_outlives_the_descriptor_and_the_maker)
{
	create(BYTES, 0);
	ours.base[3] = MARK;
	ck_assert_int_eq(
		msg_shm_segment_map_readonly(&theirs, ours.fd, BYTES), 0);
	msg_shm_segment_close(&ours);
	ck_assert_uint_eq(theirs.base[3], MARK);
	ck_assert_int_eq(theirs.fd, -1);
	close_both();
}
END_TEST

/* ---- attacks ----------------------------------------------------------- */

START_TEST(it_cannot_be_mapped_writable)
{
	make_target(MSG_SHM_SEAL_READ_ONLY);
	ck_assert_ptr_eq(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
				 ours.fd, 0),
		MAP_FAILED);
	ck_assert_int_eq(errno, EPERM);
	is_untouched();
}
END_TEST

START_TEST(mapping_it_writable_is_refused_in_words)
{
	struct msg_shm_segment third = MSG_SHM_SEGMENT;

	make_target(MSG_SHM_SEAL_READ_ONLY);
	ck_assert_int_eq(msg_shm_segment_map_writable(&third, ours.fd, BYTES),
		-MSG_ERROR_FABRIC);
	is_said("may not be written");
	ck_assert_ptr_null(third.base);
	is_untouched();
}
END_TEST

START_TEST(a_read_only_map_stays_read_only)
{
	make_target(MSG_SHM_SEAL_READ_ONLY);
	ck_assert_int_eq(
		mprotect(theirs.base, BYTES, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(errno, EACCES);
	is_untouched();
}
END_TEST

START_TEST(opening_it_again_does_not_help)
{
	char path[64];
	int again;

	make_target(MSG_SHM_SEAL_READ_ONLY);
	snprintf(path, sizeof path, "/proc/self/fd/%d", ours.fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again >= 0) {
		ck_assert_ptr_eq(mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
					 MAP_SHARED, again, 0),
			MAP_FAILED);
		ck_assert_int_eq(pwrite(again, "x", 1, 0), -1);
		ck_assert_int_eq(errno, EPERM);
		ck_assert_int_eq(ftruncate(again, 0), -1);
		close(again);
	}
	again = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
	if (again >= 0)
		close(again);
	is_untouched();
}
END_TEST

START_TEST(it_cannot_be_written_by_descriptor)
{
	struct iovec piece = {(char[]){"xyz"}, 3};
	int pipes[2];

	make_target(MSG_SHM_SEAL_READ_ONLY);
	ck_assert_int_eq(pwrite(ours.fd, "x", 1, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(write(ours.fd, "x", 1), -1);
	ck_assert_int_eq(pwritev(ours.fd, &piece, 1, 0), -1);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(write(pipes[1], "abc", 3), 3);
	lseek(ours.fd, 0, SEEK_SET);
	ck_assert_int_eq(splice(pipes[0], NULL, ours.fd, NULL, 3, 0), -1);
	close(pipes[0]);
	close(pipes[1]);
	is_untouched();
}
END_TEST

START_TEST(it_cannot_change_its_size)
{
	enum msg_shm_seal seals[] = {MSG_SHM_SEAL_READ_ONLY, MSG_SHM_SEAL_SIZE};

	for (unsigned i = 0; i < 2; i++) {
		make_target(seals[i]);
		ck_assert_int_eq(ftruncate(ours.fd, 0), -1);
		ck_assert_int_eq(errno, EPERM);
		ck_assert_int_eq(ftruncate(ours.fd, BYTES - 1), -1);
		ck_assert_int_eq(ftruncate(ours.fd, BYTES + 1), -1);
		ck_assert_int_eq(fallocate(ours.fd, 0, 0, BYTES + 1), -1);
		ck_assert_int_eq(
			fallocate(ours.fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
			-1);
		is_untouched();
	}
}
END_TEST

START_TEST(no_hole_can_be_punched_into_it)
{
	make_target(MSG_SHM_SEAL_READ_ONLY);
	ck_assert_int_eq(
		fallocate(ours.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			0, 4096),
		-1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(fallocate(ours.fd, FALLOC_FL_ZERO_RANGE, 0, 4096), -1);
	is_untouched();
}
END_TEST

START_TEST(its_pages_cannot_be_taken_away)
{
	make_target(MSG_SHM_SEAL_READ_ONLY);
	ck_assert_int_eq(madvise(theirs.base, BYTES, MADV_REMOVE), -1);
	/* These are the attacker's own business. */
	madvise(theirs.base, BYTES, MADV_DONTNEED);
	madvise(theirs.base, BYTES, MADV_PAGEOUT);
	is_untouched();
}
END_TEST

START_TEST(seals_are_final)
{
	int seals[] = {F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL};

	for (unsigned i = 0; i < 2; i++) {
		make_target(i ? MSG_SHM_SEAL_SIZE : MSG_SHM_SEAL_READ_ONLY);
		for (unsigned k = 0; k < 3; k++) {
			ck_assert_int_eq(
				fcntl(ours.fd, F_ADD_SEALS, seals[k]), -1);
			ck_assert_int_eq(errno, EPERM);
		}
		ck_assert_int_eq(msg_shm_segment_seal(&ours, MSG_SHM_SEAL_SIZE),
			-MSG_ERROR_FABRIC);
		is_said("cannot seal");
		is_untouched();
	}
}
END_TEST

START_TEST(another_process_can_do_no_more)
{
	int status;
	pid_t child;

	make_target(MSG_SHM_SEAL_READ_ONLY);
	child = fork();
	if (child == 0) {
		volatile uint8_t *target = theirs.base;

		mprotect(theirs.base, BYTES, PROT_READ | PROT_WRITE);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		target[0] = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	is_untouched();
}
END_TEST

/* ---- what is refused --------------------------------------------------- */

/* Neither way to map takes it, and both say why. */
static void not_mapped(int fd, size_t bytes, const char *text)
{
	struct msg_shm_segment map = MSG_SHM_SEGMENT;

	ck_assert_int_eq(msg_shm_segment_map_readonly(&map, fd, bytes),
		-MSG_ERROR_FABRIC);
	is_said(text);
	ck_assert_int_eq(msg_shm_segment_map_writable(&map, fd, bytes),
		-MSG_ERROR_FABRIC);
	is_said(text);
	ck_assert_ptr_null(map.base);
}

START_TEST(what_is_no_sealed_memfd_is_not_mapped)
{
	int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	int plain = memfd_create("plain", MFD_CLOEXEC);
	int open_ended = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(plain, BYTES), 0);
	ck_assert_int_eq(ftruncate(open_ended, BYTES), 0);
	not_mapped(-1, BYTES, "is no shared memory");
	not_mapped(STDOUT_FILENO, BYTES, "descriptor 1 is no shared memory");
	if (file >= 0)
		not_mapped(file, BYTES, "no broker of this version");
	not_mapped(plain, BYTES, "not sealed");
	not_mapped(open_ended, BYTES, "not sealed");
	ck_assert_int_eq(fcntl(open_ended, F_ADD_SEALS, F_SEAL_GROW), 0);
	not_mapped(open_ended, BYTES, "not sealed");
	ck_assert_int_eq(fcntl(open_ended, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	ck_assert_int_eq(
		msg_shm_segment_map_readonly(&theirs, open_ended, BYTES), 0);
	close_both();
	close(open_ended);
	close(plain);
	if (file >= 0)
		close(file);
}
END_TEST

START_TEST(what_is_too_small_is_not_mapped)
{
	create(BYTES, 0);
	not_mapped(ours.fd, BYTES + 1, "too small: 65536 bytes, not 65537");
	not_mapped(ours.fd, SIZE_MAX, "too small");
	ck_assert_int_eq(msg_shm_segment_map_readonly(&theirs, ours.fd, 1), 0);
	ck_assert_uint_eq(theirs.bytes, 4096);
	close_both();
}
END_TEST

START_TEST(too_much_is_an_error_with_a_reason)
{
	size_t sizes[] = {(size_t)1 << 62, SIZE_MAX};

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(
			msg_shm_segment_create(&ours, "msg-pool", sizes[i], 0),
			-MSG_ERROR_MEMORY);
		is_said("bytes of shared memory for 'msg-pool'");
		is_said("ask for fewer or smaller buffers");
		ck_assert_ptr_null(ours.base);
	}
}
END_TEST

START_TEST(no_descriptor_left_is_said_so)
{
	struct rlimit limit, none;
	int result;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	result = msg_shm_segment_create(&ours, "x", 1, MSG_SHM_HUGE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(result, -MSG_ERROR_MEMORY);
	is_said("ulimit -n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("segment");
	TCase *use = check_case(suite, "use", 10);
	TCase *attack = check_case(suite, "attack", 10);
	TCase *refusal = check_case(suite, "refusal", 10);

	tcase_add_test(use, it_is_there_zeroed_and_sealed_in_size);
	tcase_add_test(use, nobody_can_make_a_program_of_it);
	tcase_add_test(use, huge_pages_are_taken_if_there_are_any);
	tcase_add_test(use, an_old_kernel_will_do);
	tcase_add_test(use, a_writable_map_made_before_the_seal_still_writes);
	tcase_add_test(use, sealed_in_size_it_can_be_mapped_to_write);
	tcase_add_test(use, a_map_outlives_the_descriptor_and_the_maker);
	tcase_add_test(attack, it_cannot_be_mapped_writable);
	tcase_add_test(attack, mapping_it_writable_is_refused_in_words);
	tcase_add_test(attack, a_read_only_map_stays_read_only);
	tcase_add_test(attack, opening_it_again_does_not_help);
	tcase_add_test(attack, it_cannot_be_written_by_descriptor);
	tcase_add_test(attack, it_cannot_change_its_size);
	tcase_add_test(attack, no_hole_can_be_punched_into_it);
	tcase_add_test(attack, its_pages_cannot_be_taken_away);
	tcase_add_test(attack, seals_are_final);
	tcase_add_test(attack, another_process_can_do_no_more);
	tcase_add_test(refusal, what_is_no_sealed_memfd_is_not_mapped);
	tcase_add_test(refusal, what_is_too_small_is_not_mapped);
	tcase_add_test(refusal, too_much_is_an_error_with_a_reason);
	tcase_add_test(refusal, no_descriptor_left_is_said_so);
	return check_main(suite, NULL);
}
