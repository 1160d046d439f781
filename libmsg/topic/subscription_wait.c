/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscription_wait.c - sleeping, on futexes or on a descriptor; see
 * subscription.h.
 *
 * "sleep" (pool/ring.h): say so in each ledger, one full fence, look into each
 * ring, and only then sleep.  A sleep is short enough for a dead broker to be
 * noticed, since nobody wakes us for that.
 */
#include "topic/subscription.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/futex.h"
#include "base/trail.h"

/* A sleep is no longer than this, to notice a broker that died. */
#define NAP_NS (100 * MSG_NS_PER_MS)
/* A wait spins up to this by default: about what a wake costs (13 to 40 us),
 * so that it never costs more than twice the better choice. */
#define SPIN_NS_MAX (20 * MSG_NS_PER_US)
#define SPIN_NS_MIN (1 * MSG_NS_PER_US)
/* A spinner lets others run so often; one of them may be who it waits for. */
#define YIELD_NS (50 * MSG_NS_PER_US)
/* How often a wait looks for views that came back when all are out: only a
 * release in another thread can end it. */
#define STARVED_NS MSG_NS_PER_MS

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- descriptors ------------------------------------------------------- */

static int watch(struct msg_subscription *s, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"cannot watch a descriptor: %s; raise "
			"fs.epoll.max_user_watches",
			strerror(errno));
	return 0;
}

int subscription_open_descriptors(struct msg_subscription *s)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->timer_fd < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"no descriptor to wait on: %s; raise the limit of open "
			"files (ulimit -n)",
			strerror(errno));
	return watch(s, s->timer_fd);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void subscription_close_descriptors(struct msg_subscription *s)
{
	close_fd(&s->epoll_fd);
	close_fd(&s->timer_fd);
	while (s->doorbell_count > 0)
		close_fd(&s->doorbells[--s->doorbell_count].fd);
}

int subscription_watch_socket(struct msg_subscription *s)
{
	return watch(s, msg_socket_fd(s->client.socket));
}

int subscription_watch_doorbell(struct msg_subscription *s, int fd)
{
	int result = watch(s, fd);

	if (result < 0)
		return result;
	s->doorbells[s->doorbell_count++] = (struct msg_doorbell){
		.fd = fd, .session = s->session + 1};
	return 0;
}

void subscription_left(struct msg_subscription *s, uint32_t session)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->source_count; i++)
		if (s->sources[i].ring && s->sources[i].session == session)
			return;
	while (at < s->doorbell_count && s->doorbells[at].session != session)
		at++;
	/* That of the present session stays even so: rings may come. */
	if (at == s->doorbell_count || session == s->session)
		return;
	close_fd(&s->doorbells[at].fd);
	s->doorbells[at] = s->doorbells[--s->doorbell_count];
}

void subscription_set_timer(struct msg_subscription *s)
{
	struct itimerspec time = {0};

	if (s->client.phase != MSG_CLIENT_SERVED)
		time.it_value.tv_nsec = (long)msg_client_patience(&s->client);
	timerfd_settime(s->timer_fd, 0, &time, NULL);
}

/* Bytes are only there to be polled for.  One whose senders are all gone would
 * be readable for ever. */
static void drain(int *doorbell)
{
	char bytes[64];
	ssize_t n;

	if (*doorbell < 0)
		return;
	n = recv(*doorbell, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_fd(doorbell);
}

static bool has_something(const struct msg_subscription *s)
{
	return subscription_is_ready(s) || msg_client_has_news(&s->client);
}

/* ---- going to sleep ---------------------------------------------------- */

/* Say in each ring that we sleep, and look once more.  True: sleep. */
static bool may_sleep(struct msg_subscription *s, enum msg_ring_sleep how,
	struct futex_waitv *words)
{
	s->armed = true;
	s->unlooked = 0;
	for (uint32_t i = 0; i < s->inbox.ring_count; i++) {
		struct msg_ring_reader *r = &s->inbox.rings[i]->reader;
		uint32_t bell = msg_ring_sleep(r, how);

		if (words)
			words[i] = msg_futex_on(&r->header->bell, bell);
	}
	/* "sleep"; partner: msg_ring_wake. */
	msg_fence(seq_cst);
	return !has_something(s);
}

static int arm(struct msg_subscription *s)
{
	/* What came back is what others wait for, and we may sleep long. */
	msg_inbox_settle(&s->inbox);
	if (has_something(s) || subscription_is_starved(s))
		return -MSG_ERROR_AGAIN;
	for (uint32_t i = 0; i < s->doorbell_count; i++)
		drain(&s->doorbells[i].fd);
	if (s->client.phase != MSG_CLIENT_SERVED || s->rung)
		subscription_set_timer(s);
	s->rung = false;
	return may_sleep(s, MSG_RING_SLEEP_DESCRIPTOR, NULL) ? 0
							     : -MSG_ERROR_AGAIN;
}

bool subscription_is_rung(const struct msg_subscription *s)
{
	struct pollfd wake = {.fd = s->epoll_fd, .events = POLLIN};

	return poll(&wake, 1, 0) > 0;
}

void subscription_ring(struct msg_subscription *s)
{
	const struct itimerspec now = {.it_value.tv_nsec = 1};

	(void)may_sleep(s, MSG_RING_SLEEP_DESCRIPTOR, NULL);
	timerfd_settime(s->timer_fd, 0, &now, NULL);
	s->rung = true;
}

int msg_subscription_arm(struct msg_subscription *s)
{
	int result;

	msg_gate_enter(&s->attended.gate);
	result = arm(s);
	msg_gate_leave(&s->attended.gate);
	return result;
}

/* In poll, up to `until`.  True: a signal ended it. */
static bool doze(int fd, uint64_t until)
{
	struct pollfd wake = {.fd = fd, .events = POLLIN};
	uint64_t now = msg_clock_ns();

	return now < until &&
	       poll(&wake, 1, (int)((until - now) / MSG_NS_PER_MS) + 1) < 0 &&
	       errno == EINTR;
}

/* On the descriptor: more rings than a futex_waitv takes, or an old kernel. */
static bool sleep_on_descriptor(struct msg_subscription *s, uint64_t until)
{
	return arm(s) == 0 && doze(s->epoll_fd, until);
}

/* True: a signal ended it. */
static bool sleep_until(struct msg_subscription *s, uint64_t until)
{
	struct futex_waitv words[MSG_FUTEX_WAIT_MAX];
	uint32_t count = s->inbox.ring_count;

	if (count + 1 > MSG_FUTEX_WAIT_MAX)
		return sleep_on_descriptor(s, until);
	if (!may_sleep(s, MSG_RING_SLEEP_FUTEX, words))
		return false;
	if (s->client.page.base)
		words[count++] =
			msg_futex_on(s->client.news, s->client.news_seen);
	/* No broker and no ring: only time can help. */
	if (count == 0)
		return doze(-1, until);
	if (msg_futex_wait(words, count, until) >= 0)
		return false;
	if (errno != ENOSYS)
		return errno == EINTR;
	return sleep_on_descriptor(s, until);
}

/* ---- spinning ---------------------------------------------------------- */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* True: there is something. */
static bool spin(
	struct msg_subscription *s, uint64_t limit_ns, uint64_t deadline)
{
	uint64_t now = msg_clock_ns();
	uint64_t end = earlier(deadline,
		limit_ns > UINT64_MAX - now ? UINT64_MAX : now + limit_ns);
	uint64_t yield = now + YIELD_NS;

	for (;;) {
		for (int i = 0; i < 16; i++) {
			if (has_something(s))
				return true;
			relax();
		}
		now = msg_clock_ns();
		if (now >= end)
			return false;
		if (now >= yield) {
			sched_yield();
			yield = now + YIELD_NS;
			if (msg_client_is_due(&s->client))
				return true;
		}
	}
}

/* Spin before sleeping, as long as that has paid lately. */
static bool spin_first(struct msg_subscription *s, uint64_t deadline)
{
	bool found;

	if (s->spin_us == UINT32_MAX)
		return spin(s, UINT64_MAX, deadline);
	if (s->spin_us > 0)
		return spin(s, s->spin_us * MSG_NS_PER_US, deadline);
	if (s->spin_ns == 0)
		s->spin_ns = SPIN_NS_MAX;
	found = spin(s, s->spin_ns, deadline);
	if (found)
		s->spin_ns = SPIN_NS_MAX;
	else if (s->spin_ns > SPIN_NS_MIN)
		s->spin_ns /= 2;
	return found;
}

/* ---- waiting ----------------------------------------------------------- */

/* What a wait can do before it sleeps.  1: there is something to take; 0:
 * nothing; TIMEOUT. */
static int look(struct msg_subscription *s, uint64_t deadline)
{
	msg_inbox_settle(&s->inbox);
	if (msg_client_has_news(&s->client) || msg_client_is_due(&s->client))
		subscription_turn(s);
	if (subscription_is_ready(s) && !subscription_is_starved(s))
		return 1;
	return msg_clock_ns() < deadline ? 0 : -MSG_ERROR_TIMEOUT;
}

static int wait(struct msg_subscription *s, uint64_t deadline)
{
	for (;;) {
		uint64_t until = msg_clock_ns();
		int result = look(s, deadline);
		bool signal;

		if (result != 0)
			return result < 0 ? result : 0;
		if (subscription_is_starved(s)) {
			until += STARVED_NS;
			signal = doze(-1, earlier(until, deadline));
		} else if (spin_first(s, deadline)) {
			continue;
		} else {
			until = msg_clock_ns() +
				(s->client.phase == MSG_CLIENT_SERVED
						? NAP_NS
						: msg_client_patience(
							  &s->client));
			signal = sleep_until(s, earlier(until, deadline));
		}
		if (signal)
			return 0;
	}
}

int msg_subscription_wait(struct msg_subscription *s, uint64_t deadline)
{
	int result;

	msg_gate_enter(&s->attended.gate);
	result = wait(s, deadline);
	msg_gate_leave(&s->attended.gate);
	return result;
}
