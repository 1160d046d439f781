/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_broker.c - see fake_broker.h. */
#include "fake_broker.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_main.h"

char fake_path[108];
static char folder[64];
static int listener = -1;
static uint64_t epoch;

void fake_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(folder, sizeof folder, "/tmp/fake-broker-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(fake_path, sizeof fake_path, "%s/b.sock", folder);
	memcpy(address.sun_path, fake_path, sizeof fake_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address,
				 sizeof address),
		0);
	ck_assert_int_eq(listen(listener, 8), 0);
}

void fake_close(void)
{
	close(listener);
	unlink(fake_path);
	rmdir(folder);
}

/* ---- one client -------------------------------------------------------- */

/* In a thread that is not the test's, so failures end it at once. */
#define MUST(condition)                                                        \
	((condition) ? (void)0                                                 \
		     : (fprintf(stderr, "fake broker: %s\n", #condition), abort()))

static void say(struct fake_client *c, const struct msg_control *message,
	const int *fds, unsigned fd_count)
{
	struct msg_session *page = (struct msg_session *)c->page.base;

	MUST(msg_socket_say(c->socket, message, fds, fd_count) == 0);
	msg_session_step(page);
	msg_fence(seq_cst);
	syscall(SYS_futex, &page->news, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void hear(struct fake_client *c, struct msg_control *message)
{
	struct msg_control_frame frame;

	MUST(msg_socket_wait(c->socket, msg_clock_ns() + 10 * MSG_NS_PER_S,
		     &frame) == 1);
	MUST(msg_control_unpack(message, MSG_CONTROL_CLIENT, &frame) == 0);
	msg_control_frame_close(&frame);
}

static void welcome(struct fake_client *c)
{
	struct msg_control message = {.kind = MSG_CONTROL_WELCOME};
	struct msg_control_welcome *w = &message.welcome;

	MUST(msg_shm_segment_create(
		     &c->page, "fake-page", MSG_SESSION_BYTES, 0) == 0);
	msg_session_start((struct msg_session *)c->page.base, ++epoch, FAKE_PID);
	MUST(msg_shm_segment_seal(&c->page, MSG_SHM_SEAL_READ_ONLY) == 0);
	w->version = MSG_CONTROL_VERSION;
	w->epoch = epoch;
	w->pid = FAKE_PID;
	strcpy(w->name, "fake");
	w->frame_bytes = 1024;
	w->publish_message_bytes_max = 1000;
	w->publish_loan_count_max = FAKE_SLOTS;
	w->publish_period_ms = 1000;
	say(c, &message, &c->page.fd, 1);
}

static void grant_subscription(struct fake_client *c)
{
	struct msg_control message = {.kind = MSG_CONTROL_SUBSCRIBED};

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c->bell) == 0);
	say(c, &message, &c->bell[1], 1);
	close(c->bell[1]);
}

static void grant_publication(struct fake_client *c)
{
	struct msg_control message = {.kind = MSG_CONTROL_PUBLISHING};
	int fds[2];

	message.publishing = (struct msg_control_publishing){
		.slot_count = FAKE_SLOTS,
		.slot_bytes = FAKE_PAYLOAD,
		.payload_bytes = FAKE_PAYLOAD,
		.entry_count = FAKE_ENTRIES,
		.frame_body_max = 1000,
	};
	MUST(msg_shm_segment_create(&c->ring, "fake-ring",
		     msg_ring_bytes(FAKE_ENTRIES), 0) == 0);
	MUST(msg_shm_segment_create(&c->pool, "fake-pool",
		     (size_t)FAKE_SLOTS * FAKE_PAYLOAD, 0) == 0);
	fds[0] = c->ring.fd;
	fds[1] = c->pool.fd;
	say(c, &message, fds, 2);
	hear(c, &message);
	MUST(message.kind == MSG_CONTROL_MAPPED);
	MUST(msg_shm_segment_seal(&c->ring, MSG_SHM_SEAL_READ_ONLY) == 0);
	message.kind = MSG_CONTROL_STARTED;
	say(c, &message, NULL, 0);
}

static void *serve(void *argument)
{
	struct fake_client *c = argument;
	struct msg_control message;
	int fd = accept(listener, NULL, NULL);

	MUST(fd >= 0);
	MUST(msg_socket_open(fd, &c->socket) == 0);
	hear(c, &message);
	MUST(message.kind == MSG_CONTROL_HELLO);
	welcome(c);
	if (message.hello.role == MSG_CONTROL_ONLOOKER || c->welcomes)
		return NULL;
	hear(c, &c->asked);
	if (c->refuse) {
		message.kind = MSG_CONTROL_REFUSED;
		message.refused.code = MSG_ERROR_DENIED;
		snprintf(message.refused.text, sizeof message.refused.text,
			"%s", c->refuse);
		say(c, &message, NULL, 0);
	} else if (c->asked.kind == MSG_CONTROL_SUBSCRIBE) {
		grant_subscription(c);
	} else {
		grant_publication(c);
	}
	return NULL;
}

static void start(struct fake_client *c, const char *refuse, bool welcomes)
{
	memset(c, 0, sizeof *c);
	c->page = c->ring = c->pool =
		(struct msg_shm_segment)MSG_SHM_SEGMENT;
	c->bell[0] = -1;
	c->refuse = refuse;
	c->welcomes = welcomes;
	ck_assert_int_eq(pthread_create(&c->thread, NULL, serve, c), 0);
}

void fake_serve(struct fake_client *c, const char *refuse)
{
	start(c, refuse, false);
}

void fake_welcome(struct fake_client *c)
{
	start(c, NULL, true);
}

void fake_served(struct fake_client *c)
{
	ck_assert_int_eq(pthread_join(c->thread, NULL), 0);
}

void fake_say(struct fake_client *c, const struct msg_control *message,
	const int *fds, unsigned fd_count)
{
	say(c, message, fds, fd_count);
}

void fake_hang_up(struct fake_client *c)
{
	msg_socket_close(c->socket);
	c->socket = NULL;
	/* Its memory stays: whoever mapped it reads on. */
	if (c->bell[0] >= 0)
		close(c->bell[0]);
	c->bell[0] = -1;
}

/* ---- rings ------------------------------------------------------------- */

static void look(void *context)
{
	(void)context;
}

static void ring_bell(void *outbox, uint32_t reader)
{
	struct fake_ring *r = (struct fake_ring *)((char *)outbox -
						   offsetof(struct fake_ring,
							   outbox));

	(void)reader;
	send(r->client->bell[0], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void fake_ring_open(struct fake_ring *r, struct fake_client *c,
	uint32_t number, const char *topic, uint32_t publisher,
	uint64_t sequence)
{
	struct msg_outbox_options options = {
		.entry_count = FAKE_ENTRIES,
		.slot_count = FAKE_SLOTS,
		.slot_bytes = FAKE_PAYLOAD,
		.payload_bytes = FAKE_PAYLOAD,
		.frame_body_max = 1000,
		.message_bytes_max = FAKE_PAYLOAD,
		.publisher = publisher,
		.first_sequence = sequence,
		.counters = r->counters,
		.news = &r->no_news,
		.look = look,
		.wake = ring_bell,
	};

	memset(r, 0, sizeof *r);
	ck_assert_int_eq(msg_shm_segment_create(&r->ring, "fake-ring",
				 msg_ring_bytes(FAKE_ENTRIES), 0),
		0);
	ck_assert_int_eq(msg_shm_segment_create(&r->pool, "fake-pool",
				 (size_t)FAKE_SLOTS * FAKE_PAYLOAD, 0),
		0);
	ck_assert_int_eq(msg_shm_segment_create(&r->ledger, "fake-ledger",
				 msg_ring_ledger_bytes(64), 0),
		0);
	options.ring = (struct msg_ring_header *)r->ring.base;
	options.pool = r->pool.base;
	ck_assert_int_eq(msg_outbox_open(&r->outbox, &options), 0);
	msg_shm_segment_seal(&r->ring, MSG_SHM_SEAL_READ_ONLY);
	msg_shm_segment_seal(&r->pool, MSG_SHM_SEAL_READ_ONLY);
	msg_shm_segment_seal(&r->ledger, MSG_SHM_SEAL_SIZE);
	msg_ring_writer_add(&r->outbox.ring, 3,
		(const struct msg_ring_ledger *)r->ledger.base, 64,
		MSG_RING_LAP);
	fake_ring_tell(r, c, number, topic);
}

void fake_ring_tell(struct fake_ring *r, struct fake_client *c,
	uint32_t number, const char *topic)
{
	struct msg_control message = {.kind = MSG_CONTROL_RING};
	int fds[3] = {r->ring.fd, r->pool.fd, r->ledger.fd};

	r->client = c;
	message.ring = (struct msg_control_ring){
		.number = number,
		.origin = MSG_CONTROL_LOCAL,
		.publisher = r->outbox.publisher,
		.reader = 3,
		.entry_count = FAKE_ENTRIES,
		.pool_bytes = (uint64_t)FAKE_SLOTS * FAKE_PAYLOAD,
		.hold_max = 64,
		.start = r->outbox.ring.head,
	};
	snprintf(message.ring.topic, sizeof message.ring.topic, "%s", topic);
	say(c, &message, fds, 3);
}

void fake_ring_gone(struct fake_client *c, uint32_t number)
{
	struct msg_control message = {.kind = MSG_CONTROL_RING_GONE};

	message.ring_gone.number = number;
	say(c, &message, NULL, 0);
}

void fake_ring_close(struct fake_ring *r)
{
	msg_outbox_close(&r->outbox);
	msg_shm_segment_close(&r->ring);
	msg_shm_segment_close(&r->pool);
	msg_shm_segment_close(&r->ledger);
}

void fake_publish(struct fake_ring *r, size_t bytes)
{
	uint64_t sequence = r->outbox.lender.sequence;
	struct msg_loan loan;

	ck_assert_int_eq(msg_outbox_lend(&r->outbox, bytes, &loan), 0);
	memset(loan.data, (int)sequence, bytes);
	memcpy(loan.data, &sequence, sizeof sequence);
	ck_assert_int_eq(msg_outbox_send(&r->outbox, &loan, bytes), 0);
}
