/* SPDX-License-Identifier: BSD-2-Clause */
/* announcer.c - periodic announcements; see announcer.h. */
#include "topic/announcer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "protocol/frame.h"

#define FRAME_STRIDE 1024u
#define FRAMES_IN_FLIGHT 16u
/* An announcement that the lane does not take by then is left out. */
#define SEND_LIMIT_NS (50 * MSG_NS_PER_MS)
#define GOODBYE_PAUSE_NS ((long)(5 * MSG_NS_PER_MS))

static void *thread_main(void *argument);

static int start_thread(struct msg_announcer *a)
{
	sigset_t all, before;
	int failed;

	/* The application's signals are not for this thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&a->thread, NULL, thread_main, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return msg_fail(MSG_ERROR_MEMORY,
			"cannot start the progress thread: %s; leave out "
			"MSG_NODE_PROGRESS_THREAD or raise the process limit",
			strerror(failed));
	a->threaded = true;
	return 0;
}

int msg_announcer_open(struct msg_announcer *a,
	const struct msg_groups *groups, uint32_t period_ms, bool threaded)
{
	pthread_condattr_t attr;
	int result = 0;

	memset(a, 0, sizeof *a);
	a->groups = groups;
	a->period_ns = period_ms * MSG_NS_PER_MS;
	atomic_init(&a->due, UINT64_MAX);
	a->handles = calloc(groups->count, sizeof *a->handles);
	if (!a->handles)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for %u groups", groups->count);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (threaded)
		result = start_thread(a);
	if (result < 0)
		msg_announcer_close(a);
	return result;
}

void msg_announcer_close(struct msg_announcer *a)
{
	if (!a->handles)
		return;
	if (a->threaded) {
		pthread_mutex_lock(&a->lock);
		a->stop = true;
		pthread_cond_signal(&a->wake);
		pthread_mutex_unlock(&a->lock);
		pthread_join(a->thread, NULL);
	}
	if (a->link) {
		for (uint32_t i = 0; i < a->groups->count; i++)
			if (a->handles[i])
				a->link->ops->leave(
					a->link, a->handles[i] - 1);
		a->link->ops->close(a->link);
	}
	msg_region_close(&a->region);
	pthread_cond_destroy(&a->wake);
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
	bytes = MSG_FRAME_HEADER_BYTES +
		msg_announce_pack(
			&source->text, frame + MSG_FRAME_HEADER_BYTES);
	header.bytes = (uint16_t)bytes;
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

static void set_due(struct msg_announcer *a)
{
	uint64_t due = a->sources && !a->threaded
			       ? msg_clock_coarse_ns() + a->period_ns
			       : UINT64_MAX;

	atomic_store_explicit(&a->due, due, memory_order_relaxed);
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
		result = announce_first(a, source);
	if (result == 0) {
		source->next = a->sources;
		a->sources = source;
		if (!source->next) {
			set_due(a);
			pthread_cond_signal(&a->wake);
		}
	}
	pthread_mutex_unlock(&a->lock);
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
	if (!a->sources)
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

static void announce_all(struct msg_announcer *a)
{
	for (struct msg_announce_source *s = a->sources; s; s = s->next)
		announce(a, s);
}

void msg_announcer_turn(struct msg_announcer *a)
{
	/* Whoever comes while another thread announces has nothing to do. */
	if (pthread_mutex_trylock(&a->lock) != 0)
		return;
	if (!a->threaded && a->sources &&
		msg_clock_coarse_ns() >= atomic_load_explicit(&a->due,
						 memory_order_relaxed)) {
		set_due(a);
		announce_all(a);
	}
	pthread_mutex_unlock(&a->lock);
}

static void *thread_main(void *argument)
{
	struct msg_announcer *a = argument;

	pthread_setname_np(pthread_self(), "msg-progress");
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		uint64_t until = msg_clock_ns() + a->period_ns;
		struct timespec at = {
			.tv_sec = (time_t)(until / MSG_NS_PER_S),
			.tv_nsec = (long)(until % MSG_NS_PER_S),
		};

		if (a->sources)
			pthread_cond_timedwait(&a->wake, &a->lock, &at);
		else
			pthread_cond_wait(&a->wake, &a->lock);
		if (!a->stop && msg_clock_ns() >= until)
			announce_all(a);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}
