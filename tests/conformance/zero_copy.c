/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zero_copy.c - no byte of a payload is copied by our code.
 *
 * Kernel UDP: this program stands between the lane and the kernel.  It defines
 * recvmmsg, sendmmsg and their like for one datagram (the lane's module finds
 * these before libc's) and notes
 * every address the kernel wrote a datagram to, or read one from.  A view is
 * proven in place when its bytes lie where the kernel wrote them; a loan, when
 * the kernel read the very bytes the application wrote.  What was copied in
 * between would stand elsewhere.
 *
 * A device writes by itself, so there the memory registered with it is noted
 * (ibv_reg_mr): a view must lie in it.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "harness.h"

#define HEADER 24u
#define NOTES 65536u

struct note {
	const uint8_t *from;
	const uint8_t *to;
};

static struct note received[NOTES];
static struct note sent[NOTES];
static struct note registered[NOTES];
static unsigned received_count, sent_count, registered_count;
/* Only the tests below take notes, and only on their own thread. */
static _Thread_local bool noting;
static int (*real_recvmmsg)(
	int, struct mmsghdr *, unsigned, int, struct timespec *);
static int (*real_sendmmsg)(int, struct mmsghdr *, unsigned, int);
static ssize_t (*real_recvmsg)(int, struct msghdr *, int);
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);

__attribute__((constructor)) static void find_real(void)
{
	*(void **)&real_recvmmsg = dlsym(RTLD_NEXT, "recvmmsg");
	*(void **)&real_sendmmsg = dlsym(RTLD_NEXT, "sendmmsg");
	*(void **)&real_recvmsg = dlsym(RTLD_NEXT, "recvmsg");
	*(void **)&real_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
}

static void note(struct note *notes, unsigned *count, const void *at, size_t n)
{
	if (!noting)
		return;
	notes[(*count)++ % NOTES] =
		(struct note){at, (const uint8_t *)at + n};
}

static bool lies_in(const struct note *notes, unsigned count, const void *data,
	size_t bytes)
{
	const uint8_t *at = data;

	for (unsigned i = 0; i < count && i < NOTES; i++)
		if (at >= notes[i].from && at + bytes <= notes[i].to)
			return true;
	return false;
}

/* ---- between the lane and the system ------------------------------------- */

static void note_received(const struct msghdr *message, size_t left)
{
	const struct iovec *iov = message->msg_iov;

	for (; left > 0; iov++) {
		size_t here = left < iov->iov_len ? left : iov->iov_len;

		note(received, &received_count, iov->iov_base, here);
		left -= here;
	}
}

static void note_sent(const struct msghdr *message)
{
	for (size_t k = 0; k < message->msg_iovlen; k++)
		note(sent, &sent_count, message->msg_iov[k].iov_base,
			message->msg_iov[k].iov_len);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
	struct timespec *timeout)
{
	int n = real_recvmmsg(fd, messages, count, flags, timeout);

	for (int i = 0; i < n; i++)
		note_received(&messages[i].msg_hdr, messages[i].msg_len);
	return n;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	int n = real_sendmmsg(fd, messages, count, flags);

	for (int i = 0; i < n; i++)
		note_sent(&messages[i].msg_hdr);
	return n;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n = real_recvmsg(fd, message, flags);

	/* Truncated ones (MSG_TRUNC tells their true length) are no views. */
	if (n > 0 && !(message->msg_flags & MSG_TRUNC))
		note_received(message, (size_t)n);
	return n;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t n = real_sendmsg(fd, message, flags);

	if (n >= 0)
		note_sent(message);
	return n;
}

static void *verbs_symbol(const char *name)
{
	void *verbs = dlopen("libibverbs.so.1", RTLD_LAZY | RTLD_NOLOAD);

	return verbs ? dlsym(verbs, name) : NULL;
}

void *ibv_reg_mr(void *pd, void *memory, size_t bytes, int access);
void *ibv_reg_mr_iova2(void *pd, void *memory, size_t bytes, uint64_t iova,
	unsigned access);

void *ibv_reg_mr(void *pd, void *memory, size_t bytes, int access)
{
	void *(*real)(void *, void *, size_t, int);

	*(void **)&real = verbs_symbol("ibv_reg_mr");
	note(registered, &registered_count, memory, bytes);
	return real(pd, memory, bytes, access);
}

void *ibv_reg_mr_iova2(void *pd, void *memory, size_t bytes, uint64_t iova,
	unsigned access)
{
	void *(*real)(void *, void *, size_t, uint64_t, unsigned);

	*(void **)&real = verbs_symbol("ibv_reg_mr_iova2");
	note(registered, &registered_count, memory, bytes);
	return real(pd, memory, bytes, iova, access);
}

static struct msg_node *note_from_here(void)
{
	noting = true;
	return open_node();
}

/* ---- the proof ------------------------------------------------------------ */

static void check_in_place(const struct msg_subscriber *s,
	const struct msg_view *view, bool verbs)
{
	struct msg_segment segments[256];
	int n = msg_subscriber_segments(s, view, segments, 256);

	ck_assert_int_eq(n, (int)view->segment_count);
	for (int i = 0; i < n; i++)
		ck_assert_msg(
			verbs ? lies_in(registered, registered_count,
					segments[i].data, segments[i].bytes)
			      : lies_in(received, received_count,
					segments[i].data, segments[i].bytes),
			"segment %d of %u is not where it was received", i,
			view->segment_count);
}

START_TEST(views_lie_where_the_lane_wrote_them)
{
	if (lane.broker)
		CHECK_SKIP("the lane is in another process");
	if (lane.rc && !lane.device)
		CHECK_SKIP("libfabric's tcp receives some of it elsewhere");

	struct msg_node *node = note_from_here();
	struct msg_subscriber *s = open_subscriber(node, "place");
	struct msg_publisher *p = open_publisher(node, "place", 1u << 20);
	size_t body = body_bytes(node);
	size_t sizes[] = {1, 64, 1000, body, body + 1, 100000};
	bool verbs = on_verbs(node);
	uint64_t sequence = 0;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int queued = 0; queued < 2; queued++) {
			uint64_t first = sequence;

			for (int k = 0; k < 10; k++)
				publish_filled(p, sizes[i], 1, sequence++,
					queued);
			ck_assert_int_eq(msg_publisher_flush(p), 0);
			while (first < sequence) {
				struct msg_view view = take_one(s, 5 * S);

				ck_assert_uint_eq(view.sequence, first++);
				check_payload(s, &view, sizes[i], 1);
				check_in_place(s, &view, verbs);
				msg_subscriber_release(s, &view, 1);
			}
		}
	if (!verbs)
		ck_assert_uint_gt(received_count, 0);
	/* The proof can fail: other memory is not taken for received. */
	ck_assert(!lies_in(received, received_count, sizes, sizeof sizes));
	ck_assert(!lies_in(registered, registered_count, sizes, sizeof sizes));
	close_all(node, p, s);
}
END_TEST

START_TEST(loans_leave_from_where_they_were_filled)
{
	if (lane.broker)
		CHECK_SKIP("the lane is in another process");
	if (lane.rc && !lane.device)
		CHECK_SKIP("libfabric's tcp receives some of it elsewhere");

	struct msg_node *node = note_from_here();
	struct msg_publisher *p = open_publisher(node, "leave", 100000);
	size_t sizes[] = {1, 64, 1000, 50000};
	bool verbs = on_verbs(node);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int k = 0; k < 8; k++) {
			struct msg_loan loan;
			const uint8_t *data;
			unsigned before = sent_count;

			ck_assert_int_eq(
				msg_publisher_loan(p, sizes[i], &loan), 0);
			data = loan.data;
			memset(loan.data, k, sizes[i]);
			if (verbs) {
				ck_assert(lies_in(registered, registered_count,
					data, sizes[i]));
				msg_publisher_abandon(p, &loan);
				continue;
			}
			ck_assert_int_eq(
				msg_publisher_send(p, &loan, sizes[i]), 0);
			/* The first and the last byte were read here. */
			ck_assert(lies_in(sent + before % NOTES,
				sent_count - before, data, 1));
			ck_assert(lies_in(sent + before % NOTES,
				sent_count - before, data + sizes[i] - 1, 1));
		}
	close_all(node, p, NULL);
}
END_TEST

void add_zero_copy(Suite *suite)
{
	TCase *zero_copy = check_case(suite, "zero-copy", 60);

	tcase_add_test(zero_copy, views_lie_where_the_lane_wrote_them);
	tcase_add_test(zero_copy, loans_leave_from_where_they_were_filled);
}
