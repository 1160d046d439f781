/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.c - frames with descriptors over a Unix stream socket; see socket.h.
 *
 * The kernel hands over descriptors with some byte of what is read, not saying
 * which: a read of several frames would leave open to which of them they
 * belong.  So a read never crosses the end of a frame, and descriptors are
 * taken only by the read of a frame's first byte.
 *
 * On the way out a queue of bytes and, beside it, the places in the stream
 * where descriptors travel ("passes"); a piece that is sent begins with at most
 * one of them.
 */
#include "link/shm/socket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"

#define STALLED_POLL_NS (10 * MSG_NS_PER_MS)
#define WHY_BYTES 200

struct pass {
	uint64_t at; /* Place in the stream of the byte they travel with. */
	unsigned count;
	bool ours; /* Duplicates, to be closed; else the caller's. */
	int fds[MSG_CONTROL_FDS_MAX];
};

/* What ended one direction; code 0: nothing did. */
struct end {
	int code;
	char why[WHY_BYTES];
};

struct msg_socket {
	int fd;
	struct end sending;
	struct end receiving;

	uint64_t sent; /* Place in the stream of out[head]. */
	size_t head;   /* Queued: out[head] to out[tail - 1]. */
	size_t tail;
	bool stalled; /* The kernel carries no more for now; no poll says
	                    when it will. */
	unsigned pass_first;
	unsigned pass_count;
	struct pass passes[MSG_SOCKET_QUEUE_PASSES]; /* A ring. */

	size_t have;   /* Bytes of the frame that is coming in. */
	size_t length; /* Of that frame, once its header is here. */
	unsigned fd_count;
	int fds[MSG_CONTROL_FDS_MAX];

	/* Last, and touched only as far as used: a connection that carries
	 * small frames takes a few pages. */
	uint8_t in[MSG_CONTROL_FRAME_BYTES_MAX];
	uint8_t out[MSG_SOCKET_QUEUE_BYTES];
};

static int end_again(const struct end *end)
{
	return msg_fail(end->code, "%s", end->why);
}

static int fail(struct end *end, int code, const char *why)
{
	end->code = code;
	snprintf(end->why, sizeof end->why, "%s", why);
	return end_again(end);
}

static int fail_errno(struct end *end, int code, const char *what)
{
	char why[WHY_BYTES];

	snprintf(why, sizeof why, "%s: %s", what, strerror(errno));
	return fail(end, code, why);
}

static void close_all(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

static void put16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)value;
	to[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *to, uint32_t value)
{
	put16(to, value & 0xffff);
	put16(to + 2, value >> 16);
}

static uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] | from[1] << 8);
}

static uint32_t get32(const uint8_t *from)
{
	return get16(from) | (uint32_t)get16(from + 2) << 16;
}

/* ---- life -------------------------------------------------------------- */

int msg_socket_open(int fd, struct msg_socket **socket)
{
	struct msg_socket *s = malloc(sizeof *s);
	int flags = fcntl(fd, F_GETFL);

	if (!s)
		return msg_fail(MSG_ERROR_MEMORY,
			"%zu bytes for a connection: no memory", sizeof *s);
	/* The buffers stay as they are, and their pages untouched. */
	memset(s, 0, offsetof(struct msg_socket, in));
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
		free(s);
		return msg_fail(MSG_ERROR_MEMORY, "connection: fcntl: %s",
			strerror(errno));
	}
	s->fd = fd;
	*socket = s;
	return 0;
}

static void drop_passes(struct msg_socket *s)
{
	for (; s->pass_count > 0; s->pass_count--) {
		struct pass *pass = &s->passes[s->pass_first];

		if (pass->ours)
			close_all(pass->fds, pass->count);
		s->pass_first = (s->pass_first + 1) % MSG_SOCKET_QUEUE_PASSES;
	}
}

void msg_socket_close(struct msg_socket *s)
{
	if (!s)
		return;
	drop_passes(s);
	close_all(s->fds, s->fd_count);
	close(s->fd);
	free(s);
}

int msg_socket_fd(const struct msg_socket *s)
{
	return s->fd;
}

bool msg_socket_is_waiting(const struct msg_socket *s)
{
	return s->head < s->tail && s->sending.code == 0;
}

bool msg_socket_wants_write(const struct msg_socket *s)
{
	return msg_socket_is_waiting(s) && !s->stalled;
}

/* ---- sending ----------------------------------------------------------- */

/* The pass that goes with the next byte, and how many bytes go before the one
 * after it. */
static const struct pass *next_pass(const struct msg_socket *s, size_t *bytes)
{
	const struct pass *first = &s->passes[s->pass_first], *next = first;
	unsigned left = s->pass_count;

	*bytes = s->tail - s->head;
	if (left == 0 || first->at != s->sent) {
		if (left > 0)
			*bytes = (size_t)(first->at - s->sent);
		return NULL;
	}
	if (left > 1) {
		next = &s->passes[(s->pass_first + 1) %
				  MSG_SOCKET_QUEUE_PASSES];
		*bytes = (size_t)(next->at - s->sent);
	}
	return first;
}

static ssize_t send_piece(
	int fd, void *data, size_t bytes, const struct pass *pass)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(sizeof(int) * MSG_CONTROL_FDS_MAX)] = {0};
	struct iovec piece = {data, bytes};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	struct cmsghdr *rights;

	if (pass) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * pass->count);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * pass->count);
		memcpy(CMSG_DATA(rights), pass->fds, sizeof(int) * pass->count);
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void sent_piece(
	struct msg_socket *s, size_t bytes, const struct pass *pass)
{
	s->stalled = false;
	s->head += bytes;
	s->sent += bytes;
	if (s->head == s->tail)
		s->head = s->tail = 0;
	if (!pass)
		return;
	if (pass->ours)
		close_all((int *)pass->fds, pass->count);
	s->pass_first = (s->pass_first + 1) % MSG_SOCKET_QUEUE_PASSES;
	s->pass_count--;
}

/* 0 if it is a matter of time. */
static int cannot_send(struct msg_socket *s)
{
	switch (errno) {
	case EAGAIN:
		return 0;
	case ETOOMANYREFS:
	case ENOBUFS:
	case ENOMEM:
		s->stalled = true;
		return 0;
	case EPIPE:
	case ECONNRESET:
		return fail(&s->sending, MSG_ERROR_FABRIC,
			"the peer of this connection hung up; its log may say why");
	default:
		return fail_errno(&s->sending, MSG_ERROR_FABRIC,
			"cannot send to the peer");
	}
}

int msg_socket_flush(struct msg_socket *s)
{
	if (s->sending.code)
		return end_again(&s->sending);
	while (s->head < s->tail) {
		size_t bytes;
		const struct pass *pass = next_pass(s, &bytes);
		ssize_t sent = send_piece(s->fd, s->out + s->head, bytes, pass);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return cannot_send(s);
		sent_piece(s, (size_t)sent, pass);
	}
	return 0;
}

static bool has_room(struct msg_socket *s, size_t bytes, unsigned fd_count)
{
	size_t queued = s->tail - s->head;

	return bytes <= sizeof s->out - queued &&
	       (fd_count == 0 || s->pass_count < MSG_SOCKET_QUEUE_PASSES);
}

static void put_frame(struct msg_socket *s, unsigned kind, const uint8_t *body,
	size_t bytes, unsigned fd_count)
{
	size_t whole = MSG_CONTROL_HEADER_BYTES + bytes;
	uint8_t *to;

	if (whole > sizeof s->out - s->tail) {
		memmove(s->out, s->out + s->head, s->tail - s->head);
		s->tail -= s->head;
		s->head = 0;
	}
	to = s->out + s->tail;
	put32(to, (uint32_t)whole);
	put16(to + 4, kind);
	put16(to + 6, fd_count);
	if (bytes > 0)
		memcpy(to + MSG_CONTROL_HEADER_BYTES, body, bytes);
	s->tail += whole;
}

static struct pass *last_pass(struct msg_socket *s)
{
	return &s->passes[(s->pass_first + s->pass_count - 1) %
			  MSG_SOCKET_QUEUE_PASSES];
}

static void put_pass(
	struct msg_socket *s, uint64_t at, const int *fds, unsigned count)
{
	struct pass *pass;

	s->pass_count++;
	pass = last_pass(s);
	*pass = (struct pass){.at = at, .count = count};
	memcpy(pass->fds, fds, sizeof(int) * count);
}

/* Make a waiting pass independent of the caller's descriptors. */
static bool keep_pass(struct pass *pass)
{
	for (unsigned i = 0; i < pass->count; i++) {
		int copy = fcntl(pass->fds[i], F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			close_all(pass->fds, i);
			return false;
		}
		pass->fds[i] = copy;
	}
	pass->ours = true;
	return true;
}

/* After a flush: the frame that begins `at` and its descriptors either left, or
 * wait as a whole, for they go with its first byte. */
static int settle_pass(struct msg_socket *s, uint64_t at, int result)
{
	bool waits = s->pass_count > 0 && last_pass(s)->at == at;

	if (!waits || (result == 0 && keep_pass(last_pass(s))))
		return result;
	s->pass_count--;
	s->tail = s->head + (size_t)(at - s->sent);
	if (result < 0)
		return result;
	return msg_fail(MSG_ERROR_MEMORY,
		"cannot keep descriptors for a slow peer: %s; raise the limit "
		"of open files (ulimit -n)",
		strerror(errno));
}

int msg_socket_send(struct msg_socket *s, unsigned kind, const uint8_t *body,
	size_t bytes, const int *fds, unsigned fd_count)
{
	size_t whole = MSG_CONTROL_HEADER_BYTES + bytes;
	uint64_t at;
	int result;

	assert(kind <= UINT16_MAX && bytes <= MSG_CONTROL_BODY_BYTES_MAX &&
		fd_count <= MSG_CONTROL_FDS_MAX);
	if (s->sending.code)
		return end_again(&s->sending);
	if (!has_room(s, whole, fd_count)) {
		result = msg_socket_flush(s);
		if (result < 0)
			return result;
	}
	if (!has_room(s, whole, fd_count))
		return msg_fail(MSG_ERROR_AGAIN,
			"the peer does not read: %zu bytes wait for it",
			s->tail - s->head);
	at = s->sent + (s->tail - s->head);
	put_frame(s, kind, body, bytes, fd_count);
	if (fd_count > 0)
		put_pass(s, at, fds, fd_count);
	result = msg_socket_flush(s);
	return fd_count > 0 ? settle_pass(s, at, result) : result;
}

int msg_socket_say(struct msg_socket *s, const struct msg_control *control,
	const int *fds, unsigned fd_count)
{
	uint8_t body[MSG_CONTROL_PACKED_BYTES_MAX];
	size_t bytes = msg_control_pack(control, body);

	return msg_socket_send(s, control->kind, body, bytes, fds, fd_count);
}

/* ---- receiving --------------------------------------------------------- */

/* Take the descriptors of a read into the frame, or close them. */
static int take_fds(struct msg_socket *s, struct msghdr *message)
{
	struct cmsghdr *one;
	unsigned before = s->fd_count;

	for (one = CMSG_FIRSTHDR(message); one;
		one = CMSG_NXTHDR(message, one)) {
		size_t bytes = one->cmsg_len - CMSG_LEN(0);

		if (one->cmsg_level != SOL_SOCKET ||
			one->cmsg_type != SCM_RIGHTS)
			continue;
		/* There was room for no more, and the first were with the
		 * frame's first byte. */
		if (s->have > 0) {
			close_all((int *)(void *)CMSG_DATA(one),
				(unsigned)(bytes / sizeof(int)));
			return fail(&s->receiving, MSG_ERROR_ARGUMENT,
				"the peer sent descriptors inside a message");
		}
		assert(bytes <= sizeof s->fds && before == 0);
		memcpy(s->fds, CMSG_DATA(one), bytes);
		s->fd_count = (unsigned)(bytes / sizeof(int));
	}
	if (!(message->msg_flags & MSG_CTRUNC))
		return 0;
	if (s->fd_count == MSG_CONTROL_FDS_MAX || s->have > 0)
		return fail(&s->receiving, MSG_ERROR_ARGUMENT,
			"the peer sent more than 4 descriptors with a message");
	return fail(&s->receiving, MSG_ERROR_MEMORY,
		"descriptors of the peer were lost: too many are open here; "
		"raise the limit of open files (ulimit -n)");
}

static int hung_up(struct msg_socket *s)
{
	return fail(&s->receiving, MSG_ERROR_FABRIC,
		s->have > 0 ? "the peer hung up in the middle of a message"
			    : "the peer of this connection hung up; its log may say why");
}

/* Read up to `bytes` of the frame; returns how many, 0 if none are here. */
static ssize_t receive_piece(struct msg_socket *s, size_t bytes)
{
	/* Its length says room for 3 exactly: what is more is not even opened
	 * here, and reported as truncated. */
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(sizeof(int) * MSG_CONTROL_FDS_MAX)];
	struct iovec piece = {s->in + s->have, bytes};
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_LEN(sizeof(int) * MSG_CONTROL_FDS_MAX),
	};
	ssize_t got;
	int result;

	do
		got = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return hung_up(s);
	if (got < 0)
		return fail_errno(&s->receiving, MSG_ERROR_FABRIC,
			"cannot receive from the peer");
	result = take_fds(s, &message);
	return result < 0 ? result : got;
}

static int check_header(struct msg_socket *s)
{
	uint32_t length = get32(s->in);
	unsigned fd_count = get16(s->in + 6);
	char why[WHY_BYTES];

	if (length < MSG_CONTROL_HEADER_BYTES ||
		length > MSG_CONTROL_FRAME_BYTES_MAX) {
		snprintf(why, sizeof why,
			"the peer sent a message of %u bytes, not %u to %u",
			length, MSG_CONTROL_HEADER_BYTES,
			MSG_CONTROL_FRAME_BYTES_MAX);
		return fail(&s->receiving, MSG_ERROR_ARGUMENT, why);
	}
	if (fd_count != s->fd_count) {
		snprintf(why, sizeof why,
			"the peer announced %u descriptors and sent %u",
			fd_count, s->fd_count);
		return fail(&s->receiving, MSG_ERROR_ARGUMENT, why);
	}
	s->length = length;
	return 0;
}

static void hand_over(struct msg_socket *s, struct msg_control_frame *frame)
{
	frame->kind = get16(s->in + 4);
	frame->bytes = (uint32_t)(s->length - MSG_CONTROL_HEADER_BYTES);
	frame->body = s->in + MSG_CONTROL_HEADER_BYTES;
	frame->fd_count = s->fd_count;
	for (unsigned i = 0; i < MSG_CONTROL_FDS_MAX; i++)
		frame->fds[i] = i < s->fd_count ? s->fds[i] : -1;
	s->fd_count = 0;
	s->have = 0;
}

/* The connection is done for: nobody will ask for these any more. */
static int drop_fds(struct msg_socket *s, int result)
{
	close_all(s->fds, s->fd_count);
	s->fd_count = 0;
	return result;
}

int msg_socket_receive(struct msg_socket *s, struct msg_control_frame *frame)
{
	if (s->receiving.code)
		return end_again(&s->receiving);
	for (;;) {
		bool in_header = s->have < MSG_CONTROL_HEADER_BYTES;
		size_t whole = in_header ? MSG_CONTROL_HEADER_BYTES : s->length;
		ssize_t got;

		if (!in_header && s->have == s->length)
			break;
		got = receive_piece(s, whole - s->have);
		if (got == 0)
			return 0;
		if (got < 0)
			return drop_fds(s, (int)got);
		s->have += (size_t)got;
		if (in_header && s->have == MSG_CONTROL_HEADER_BYTES &&
			check_header(s) < 0)
			return drop_fds(s, -s->receiving.code);
	}
	hand_over(s, frame);
	return 1;
}

/* Sleep until the socket has something for us or `until`; errno if not. */
static bool sleep_until(struct msg_socket *s, uint64_t now, uint64_t until)
{
	bool stalled = msg_socket_is_waiting(s) && s->stalled;
	uint64_t left = until - now;
	struct timespec limit;
	struct pollfd poll_fd = {
		.fd = s->fd,
		.events = (short)(POLLIN |
				  (msg_socket_wants_write(s) ? POLLOUT : 0)),
	};

	if (stalled && left > STALLED_POLL_NS)
		left = STALLED_POLL_NS;
	limit.tv_sec = (time_t)(left / MSG_NS_PER_S);
	limit.tv_nsec = (long)(left % MSG_NS_PER_S);
	return ppoll(&poll_fd, 1, &limit, NULL) >= 0 || errno == EINTR;
}

int msg_socket_wait(struct msg_socket *s, uint64_t deadline_ns,
	struct msg_control_frame *frame)
{
	for (;;) {
		uint64_t now;
		int result;

		/* What cannot be sent matters less than what the peer may have
		 * said before. */
		(void)msg_socket_flush(s);
		result = msg_socket_receive(s, frame);
		if (result != 0)
			return result;
		now = msg_clock_ns();
		if (now >= deadline_ns)
			return msg_fail(MSG_ERROR_TIMEOUT,
				"the peer did not answer in time; it may be "
				"busy or stopped");
		if (!sleep_until(s, now, deadline_ns))
			return fail_errno(
				&s->receiving, MSG_ERROR_FABRIC, "ppoll");
	}
}
