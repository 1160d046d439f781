/* SPDX-License-Identifier: BSD-2-Clause */
/* announcer.c - periodic announcements; see announcer.h. */
#include "topic/announcer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/trail.h"
#include "protocol/frame.h"

#define FRAME_STRIDE 1024u
#define FRAMES_IN_FLIGHT 16u
/* An announcement that the lane does not take by then is left out. */
#define SEND_LIMIT_NS (50 * MSG_NS_PER_MS)
#define GOODBYE_PAUSE_NS ((long)(5 * MSG_NS_PER_MS))
/* The coarse clock is behind by no more, at the usual 250 ticks a second. */
#define COARSE_NS (4 * MSG_NS_PER_MS)
/* How long the thread sleeps while reliable publishers send. */
#define BUSY_NS MSG_NS_PER_MS
/* Side links that it sleeps on; others are looked at every BUSY_NS. */
#define SIDES_MAX 64u
/* Between looks for questions, in the calls of who has no thread. */
#define ANSWER_NS (10 * MSG_NS_PER_MS)

static void *thread_main(void *argument);

static uint64_t earlier(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

static int start_thread(struct msg_announcer *a)
{
	sigset_t all, before;
	int failed;

	a->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (a->wake_fd < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"no descriptor for the progress thread: %s; raise "
			"their limit (ulimit -n)",
			strerror(errno));
	/* The application's signals are not for this thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	a->threaded = true; /* Which the thread itself reads. */
	failed = pthread_create(&a->thread, NULL, thread_main, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		return 0;
	a->threaded = false;
	return msg_fail(MSG_ERROR_MEMORY,
		"cannot start the progress thread: %s; leave out "
		"MSG_NODE_PROGRESS_THREAD or raise the process limit",
		strerror(failed));
}

int msg_announcer_open(struct msg_announcer *a,
	const struct msg_groups *groups, bool threaded)
{
	int result = 0;

	memset(a, 0, sizeof *a);
	a->groups = groups;
	a->wake_fd = -1;
	a->answer_ns = ANSWER_NS;
	atomic_init(&a->due, UINT64_MAX);
	a->handles = calloc(groups->count, sizeof *a->handles);
	if (!a->handles)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for %u groups", groups->count);
	pthread_mutex_init(&a->lock, NULL);
	if (threaded)
		result = start_thread(a);
	if (result < 0)
		msg_announcer_close(a);
	return result;
}

static void wake(struct msg_announcer *a)
{
	uint64_t one = 1;

	if (a->threaded && write(a->wake_fd, &one, sizeof one) < 0)
		return; /* Full: it is awake. */
}

void msg_announcer_close(struct msg_announcer *a)
{
	if (!a->handles)
		return;
	if (a->threaded) {
		pthread_mutex_lock(&a->lock);
		a->stop = true;
		pthread_mutex_unlock(&a->lock);
		wake(a);
		pthread_join(a->thread, NULL);
	}
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	msg_answerer_close(&a->answerer);
	if (a->link) {
		for (uint32_t i = 0; i < a->groups->count; i++)
			if (a->handles[i])
				a->link->ops->leave(
					a->link, a->handles[i] - 1);
		a->link->ops->close(a->link);
	}
	msg_region_close(&a->region);
	pthread_mutex_destroy(&a->lock);
	free(a->handles);
	a->handles = NULL;
}

/* ---- one announcement -------------------------------------------------- */

/* Wait until the frame in flight is done, so that its buffer may be written
 * again; 0, or the errno of its failure. */
static int settle(struct msg_announcer *a)
{
	uint64_t deadline = msg_clock_ns() + SEND_LIMIT_NS;
	struct msg_link_event events[FRAMES_IN_FLIGHT];

	do {
		int n = a->link->ops->poll(
			a->link, events, (int)FRAMES_IN_FLIGHT);

		if (n < 0)
			return EIO;
		for (int i = 0; i < n; i++)
			if (events[i].token == a->token)
				return events[i].type == MSG_LINK_SEND_FAILED
					       ? (int)events[i].bytes
					       : 0;
	} while (msg_clock_ns() < deadline);
	return ETIMEDOUT;
}

static int send_to(struct msg_announcer *a, uint32_t group, size_t bytes)
{
	struct msg_link_send send = {
		.iov[0] = {a->region.base, bytes},
		.iov_count = 1,
		.group = a->handles[group] - 1,
		.token = ++a->token,
		.signal = true,
	};
	int result;

	if (a->handles[group] == 0)
		return 0;
	result = a->link->ops->send(a->link, &send);
	if (result == -MSG_ERROR_AGAIN)
		return EAGAIN;
	return result < 0 ? EIO : settle(a);
}

/* 0, or the errno of why it did not leave: the next one is tried anyway. */
static int announce(
	struct msg_announcer *a, struct msg_announce_source *source)
{
	uint8_t *frame = a->region.base;
	struct msg_frame header = {
		.type = MSG_FRAME_ANNOUNCE,
		.tag = msg_name_tag(source->text.topic),
		.publisher = source->text.publisher,
	};
	size_t bytes;
	int failed;

	/* Acquire; partner: msg_transmitter_flush: what this number counts
	 * was handed to the lane before this announcement is. */
	source->text.next_sequence =
		atomic_load_explicit(source->sent, memory_order_acquire);
	if (source->repairer && source->text.connect.bytes == 0)
		source->text.reach = source->repairer->reach;
	bytes = MSG_FRAME_HEADER_BYTES +
		msg_announce_pack(
			&source->text, frame + MSG_FRAME_HEADER_BYTES);
	header.bytes = (uint32_t)bytes;
	header.sequence = source->text.next_sequence;
	header.transmission = a->transmission++;
	msg_frame_write(frame, &header);
	failed = send_to(a, source->group, bytes);
	if (source->group != 0 && failed == 0)
		failed = send_to(a, 0, bytes);
	return failed;
}

/* ---- sources ----------------------------------------------------------- */

static int open_link(struct msg_announcer *a, struct msg_link_domain *domain)
{
	struct msg_link_options options = {.send_count = FRAMES_IN_FLIGHT};
	char text[MSG_LINK_TEXT_BYTES];
	int result;

	if (a->link)
		return 0;
	if (!a->region.base) {
		result = msg_region_open(&a->region, FRAME_STRIDE);
		if (result < 0)
			return result;
	}
	options.memory = a->region.base;
	options.memory_bytes = a->region.bytes;
	result = domain->ops->link_open(domain, &options, &a->link, text);
	if (result < 0)
		return msg_fail(-result, "announcing: %s", text);
	return 0;
}

static int join(struct msg_announcer *a, uint32_t group)
{
	uint32_t handle;
	int result;

	if (a->handles[group])
		return 0;
	result = msg_groups_join(a->groups, a->link, group, MSG_LINK_JOIN_SEND,
		"announcing", &handle);
	if (result == 0)
		a->handles[group] = handle + 1;
	return result;
}

/* When the next announcement is due; UINT64_MAX: never. */
static uint64_t next_due(const struct msg_announcer *a)
{
	uint64_t due = UINT64_MAX;

	for (const struct msg_announce_source *s = a->sources; s; s = s->next)
		due = earlier(due, s->next_ns);
	return due;
}

static void set_due(struct msg_announcer *a)
{
	uint64_t due = a->threaded ? UINT64_MAX : next_due(a);

	if (due != UINT64_MAX && a->answerer.link && a->answer_ns > 0)
		due = earlier(due, msg_clock_coarse_ns() + a->answer_ns);
	atomic_store_explicit(&a->due, due, memory_order_relaxed);
}

static void put_off(struct msg_announce_source *source, uint64_t now)
{
	source->next_ns = now + source->text.period_ms * MSG_NS_PER_MS;
}

/* The schema that a question is about; for answerer. */
static bool find_schema(void *context, uint32_t publisher, uint64_t hash,
	const uint8_t **schema, uint32_t *bytes)
{
	const struct msg_announcer *a = context;

	for (const struct msg_announce_source *s = a->sources; s; s = s->next)
		if (s->schema && s->text.publisher == publisher &&
			s->text.type.hash == hash) {
			*schema = s->schema;
			*bytes = s->schema_bytes;
			return true;
		}
	return false;
}

/* Who asks for the type is told where to. */
static int open_answerer(struct msg_announcer *a,
	struct msg_link_domain *domain, struct msg_announce_source *source)
{
	int result;

	if (!source->schema)
		return 0;
	result = msg_answerer_open(&a->answerer, domain, find_schema, a);
	source->text.type.reach = a->answerer.reach;
	return result;
}

/* The first announcement shows whether the lane takes multicast at all. */
static int announce_first(
	struct msg_announcer *a, struct msg_announce_source *source)
{
	int failed = announce(a, source);

	if (failed == 0 || failed == EAGAIN || failed == ETIMEDOUT)
		return 0;
	return msg_fail(MSG_ERROR_FABRIC,
		"topic '%s': its group cannot be sent to: %s; does a route "
		"lead there? (msg doctor)",
		source->text.topic, strerror(failed));
}

int msg_announcer_add(struct msg_announcer *a,
	struct msg_link_domain *domain, struct msg_announce_source *source)
{
	int result;

	pthread_mutex_lock(&a->lock);
	result = open_link(a, domain);
	if (result == 0)
		result = join(a, 0);
	if (result == 0)
		result = join(a, source->group);
	if (result == 0)
		result = open_answerer(a, domain, source);
	if (result == 0)
		result = announce_first(a, source);
	if (result == 0) {
		if (source->repairer) {
			source->repairer->threaded = a->threaded;
			source->repairer->wake_fd = a->wake_fd;
		}
		source->next = a->sources;
		a->sources = source;
		put_off(source, msg_clock_coarse_ns());
		set_due(a);
	}
	pthread_mutex_unlock(&a->lock);
	wake(a);
	return result;
}

/* Whether it was there. */
static bool unlink_source(
	struct msg_announcer *a, struct msg_announce_source *source)
{
	struct msg_announce_source **at = &a->sources;

	while (*at && *at != source)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = source->next;
	set_due(a);
	return true;
}

/* The goodbye tells how many messages there were, which is all that a
 * subscriber learns of a loss at the very end.  It goes to the same full
 * buffer that lost them, so it is said again a little later. */
void msg_announcer_remove(
	struct msg_announcer *a, struct msg_announce_source *source,
	int goodbyes)
{
	const struct timespec pause = {.tv_nsec = GOODBYE_PAUSE_NS};
	bool found;

	pthread_mutex_lock(&a->lock);
	found = unlink_source(a, source);
	pthread_mutex_unlock(&a->lock);
	source->text.closing = true;
	for (int i = 0; found && i < goodbyes; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		pthread_mutex_lock(&a->lock);
		announce(a, source);
		pthread_mutex_unlock(&a->lock);
	}
}

/* Those that are due by the coarse clock. */
static void announce_due(struct msg_announcer *a)
{
	uint64_t now = msg_clock_coarse_ns();

	for (struct msg_announce_source *s = a->sources; s; s = s->next)
		if (now >= s->next_ns) {
			put_off(s, now);
			announce(a, s);
		}
	set_due(a);
}

void msg_announcer_turn(struct msg_announcer *a)
{
	/* Whoever comes while another thread announces has nothing to do. */
	if (pthread_mutex_trylock(&a->lock) != 0)
		return;
	if (!a->threaded) {
		announce_due(a);
		if (a->answerer.link && a->answer_ns > 0)
			msg_answerer_turn(&a->answerer, msg_clock_ns());
	}
	pthread_mutex_unlock(&a->lock);
}

/* ---- receivers of reliable publishers ----------------------------------- */

void msg_announcer_serve(struct msg_announcer *a)
{
	uint64_t now;

	if (a->threaded || pthread_mutex_trylock(&a->lock) != 0)
		return;
	now = msg_clock_ns();
	for (struct msg_announce_source *s = a->sources; s; s = s->next)
		if (s->repairer)
			msg_repairer_progress(s->repairer, now);
	pthread_mutex_unlock(&a->lock);
}

/* What the thread sleeps on. */
struct sleep {
	uint64_t until;
	uint32_t count;
	struct pollfd fds[SIDES_MAX + 1]; /* The last is for questions. */
};

static void wake_at(struct sleep *sleep, uint64_t ns)
{
	sleep->until = earlier(sleep->until, ns);
}

/* A descriptor that is armed, or that says that there is something already. */
static void watch(struct sleep *sleep, int fd, uint64_t now)
{
	if (sleep->count < SIDES_MAX)
		sleep->fds[sleep->count++] =
			(struct pollfd){.fd = fd, .events = POLLIN};
	else
		wake_at(sleep, now + BUSY_NS);
}

/* One look at a publisher, also while it sends: who misses something waits for
 * nothing else.  Its own calls go first, and where one is inside, what lies there
 * is its affair: to sleep on that would be not to sleep. */
static void serve(
	struct msg_announce_source *s, uint64_t now, struct sleep *sleep)
{
	struct msg_repairer *r = s->repairer;

	if (!msg_repairer_try(r)) {
		wake_at(sleep, now + BUSY_NS);
		return;
	}
	msg_repairer_turn(r, now);
	wake_at(sleep, msg_repairer_deadline(r));
	if (msg_repairer_arm(r) < 0) {
		wake_at(sleep, now);
	} else {
		watch(sleep, r->link->fd, now);
		if (r->show)
			watch(sleep, r->show->channels->fd, now);
	}
	if (s->served != r->repair.next)
		wake_at(sleep, now + BUSY_NS);
	else
		/* Should it send at this very moment, its probe waits for the
		 * heartbeat: no more than that. */
		atomic_store_explicit(&r->asleep, 1, memory_order_relaxed);
	s->served = r->repair.next;
	msg_repairer_leave(r);
}

/* A look at everybody, and what to sleep on. */
static void serve_all(struct msg_announcer *a, uint64_t now, struct sleep *sleep)
{
	sleep->fds[0] = (struct pollfd){.fd = a->wake_fd, .events = POLLIN};
	sleep->count = 1;
	for (struct msg_announce_source *s = a->sources; s; s = s->next)
		if (s->repairer)
			serve(s, now, sleep);
}

/* Questions answered, and slept on. */
static void serve_questions(
	struct msg_announcer *a, uint64_t now, struct sleep *sleep)
{
	struct msg_link *link = a->answerer.link;

	if (!link)
		return;
	msg_answerer_turn(&a->answerer, now);
	if (link->ops->arm(link) < 0)
		wake_at(sleep, now);
	sleep->fds[sleep->count++] =
		(struct pollfd){.fd = link->fd, .events = POLLIN};
}

static void await(struct msg_announcer *a, struct sleep *sleep)
{
	uint64_t now = msg_clock_ns();
	uint64_t left = sleep->until > now ? sleep->until - now : 0;
	struct timespec limit = {
		.tv_sec = (time_t)(left / MSG_NS_PER_S),
		.tv_nsec = (long)(left % MSG_NS_PER_S),
	};
	uint64_t gone;

	ppoll(sleep->fds, sleep->count,
		sleep->until == UINT64_MAX ? NULL : &limit, NULL);
	while (read(a->wake_fd, &gone, sizeof gone) > 0)
		;
}

static void *thread_main(void *argument)
{
	struct msg_announcer *a = argument;

	pthread_setname_np(pthread_self(), "msg-progress");
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct sleep sleep = {.until = UINT64_MAX};
		uint64_t now = msg_clock_ns();

		announce_due(a);
		/* A tick of the coarse clock later it is due by that, too. */
		sleep.until = next_due(a);
		if (sleep.until != UINT64_MAX)
			sleep.until += COARSE_NS;
		serve_all(a, now, &sleep);
		serve_questions(a, now, &sleep);
		pthread_mutex_unlock(&a->lock);
		await(a, &sleep);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}
