/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - one loop over the network, the local publishers and the clients;
 * see server.h.
 *
 *     turn   feeds: network -> rings;  relays: local rings -> network
 *     look   for clients, at every turn that brought nothing, and now and then
 *     sleep  when nothing came for a while: arm every source, look once more,
 *            and wait for the first of all descriptors or times
 *
 * A client is served and closed between turns, so nothing in a turn holds a
 * pointer that may go.
 */
#include "broker/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/client.h"
#include "broker/log.h"
#include "broker/notify.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "base/trail.h"

#define EVENTS 64
/* Busy turns between two looks at the clients. */
#define TURNS_A_LOOK 64u
/* Turns between two looks at the directory, while there is other work. */
#define TURNS_A_DIRECTORY 16u
/* At the end, for what each publisher has published. */
#define DRAIN_NS (100 * MSG_NS_PER_MS)
/* And for all of them that are reliable, for what their receivers miss. */
#define LINGER_NS MSG_NS_PER_S

/* What an event is of: a client, or one of these. */
static char listen_mark, signal_mark, bell_mark, lane_mark;

int server_watch(struct server *server, int fd, void *mark)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};

	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"cannot watch a descriptor: %s; raise "
			"fs.epoll.max_user_watches",
			strerror(errno));
	return 0;
}

int server_watch_lane(struct server *server, int fd)
{
	return server_watch(server, fd, &lane_mark);
}

/* ---- clients ----------------------------------------------------------- */

/* Out of descriptors, those who wait would wake us without end: look away
 * until somebody goes. */
static void look_away(struct server *server)
{
	log_say(LOG_DESCRIPTORS_OUT,
		"no descriptor for another client, %u are connected: %s",
		server->client_count, strerror(errno));
	if (server->clients && epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL,
				       server->options.listen_fd, NULL) == 0)
		server->deaf = true;
}

static void accept_clients(struct server *server)
{
	for (int i = 0; i < EVENTS; i++) {
		int fd = accept4(server->options.listen_fd, NULL, NULL,
			SOCK_CLOEXEC | SOCK_NONBLOCK);
		int result;

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN)
				look_away(server);
			return;
		}
		result = client_open(server, fd);
		if (result < 0) {
			log_say(result == -MSG_ERROR_BUSY ? LOG_QUOTA_REFUSED
							  : LOG_MEMORY_OUT,
				"a connection was refused: %s",
				msg_trail_text());
			client_turn_away(fd, result);
		}
	}
}

/* Publishers that are gone, once all of theirs is sent or too old. */
static void drain(struct server *server)
{
	uint64_t now = msg_clock_coarse_ns();
	struct publisher *next;

	for (struct publisher *p = server->publishers; p; p = next) {
		next = p->next;
		if (publisher_is_over(p, now))
			publisher_close(p);
	}
}

/* Whoever is broken goes, who waited goes on; streams that changed tell who must
 * know. */
void server_tidy(struct server *server)
{
	struct client *next;
	bool gone = false;

	for (struct client *c = server->clients; c; c = next) {
		next = c->next;
		server_list_check(c);
		if (c->aside && !c->broken && finder_ask(&server->finder))
			client_go_on(c);
		if (!c->broken)
			continue;
		client_close(c);
		gone = true;
	}
	if (gone && server->deaf &&
		server_watch(server, server->options.listen_fd,
			&listen_mark) == 0)
		server->deaf = false;
	for (struct stream *s = server->streams; s; s = s->next)
		if (s->stale)
			stream_tell(s);
	drain(server);
}

/* ---- the loop ---------------------------------------------------------- */

int server_turn(struct server *server)
{
	int busy = 0;

	server->counts.turns++;
	/* Announcements can wait a little: on a kernel lane the look for them
	 * is a system call. */
	if (server->heard || ++server->turns % TURNS_A_DIRECTORY == 0) {
		server->heard = false;
		busy = network_turn(&server->network);
		if (busy >= 0 && server->network.domain)
			busy += types_turn(server);
	}
	for (uint32_t i = 0; i < server->feed_count && busy >= 0; i++) {
		int n = feed_turn(server->feeds[i]);

		busy = n < 0 ? n : busy + n;
	}
	for (struct publisher *p = server->publishers; p; p = p->next) {
		int n = publisher_turn(p);

		if (n < 0)
			log_say(LOG_LANE_FAILED, "topic '%s' cannot be sent",
				p->stream->topic);
		else
			busy += n;
	}
	return busy;
}

/* A join waits: what is received and sent goes on.  No announcements, as one of
 * them may be what it joins for, and no clients, as one of them asked for it. */
static void meanwhile(void *context)
{
	struct server *server = context;

	for (uint32_t i = 0; i < server->feed_count; i++)
		(void)feed_turn(server->feeds[i]);
	for (struct publisher *p = server->publishers; p; p = p->next)
		(void)publisher_turn(p);
	notify_alive(msg_clock_ns());
}

/* Get ready to sleep; false: something has come meanwhile. */
static bool arm(struct server *server)
{
	bool ready = network_arm(&server->network) != 0;

	if (server->network.domain)
		ready |= types_arm(server) != 0;

	for (uint32_t i = 0; i < server->feed_count; i++)
		ready |= msg_receiver_arm(&server->feeds[i]->receiver) != 0;
	for (struct publisher *p = server->publishers; p; p = p->next)
		publisher_sleep(p);
	/* "sleep"; partner: msg_ring_wake in the publishers. */
	msg_fence(seq_cst);
	for (struct publisher *p = server->publishers; p; p = p->next)
		ready |= publisher_ready(p);
	return !ready;
}

static void awake(struct server *server)
{
	for (struct publisher *p = server->publishers; p; p = p->next)
		publisher_awake(p);
}

/* How long nothing has to be done, in ms; -1: for ever. */
static int patience_ms(struct server *server)
{
	uint64_t now = msg_clock_ns();
	uint64_t due = network_due(&server->network);
	uint64_t stats = stats_due(server);
	uint64_t types = types_due(server);
	uint64_t watchdog = notify_period_ns();
	int limit = 60000;

	for (uint32_t i = 0; i < server->feed_count; i++) {
		uint64_t gap = msg_receiver_look_ahead(
			&server->feeds[i]->receiver);

		if (gap < due)
			due = gap;
		if (feed_due(server->feeds[i]) < due)
			due = feed_due(server->feeds[i]);
	}
	for (struct publisher *p = server->publishers; p; p = p->next)
		if (publisher_due(p) < due)
			due = publisher_due(p);
	if (watchdog > 0 && watchdog / 2 / MSG_NS_PER_MS < (uint64_t)limit)
		limit = (int)(watchdog / 2 / MSG_NS_PER_MS);
	if (stats < due)
		due = stats;
	if (types < due)
		due = types;
	if (due <= now)
		return 0;
	if ((due - now) / MSG_NS_PER_MS < (uint64_t)limit)
		limit = (int)((due - now) / MSG_NS_PER_MS) + 1;
	return limit;
}

static void ring_bell(struct server *server)
{
	char bytes[256];

	(void)!recv(server->bell[1], bytes, sizeof bytes, MSG_DONTWAIT);
}

/* Before epoll_wait. */
static void go_to_sleep(struct server *server, int timeout_ms)
{
	server->counts.sleeps++;
	stats_sleep(&server->stats,
		msg_clock_ns() + (uint32_t)timeout_ms * MSG_NS_PER_MS);
}

/* Serve who has something, waiting up to `timeout_ms`.  1: asked to end; or a
 * negated error. */
static int look(struct server *server, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	uint64_t now;
	int count;

	if (timeout_ms > 0)
		go_to_sleep(server, timeout_ms);
	count = epoll_wait(server->epoll_fd, events, EVENTS, timeout_ms);
	if (timeout_ms > 0) {
		stats_awake(&server->stats);
		server->counts.wakes += count > 0;
	}
	if (count < 0 && errno != EINTR)
		return msg_fail(MSG_ERROR_FABRIC, "cannot wait for events: %s",
			strerror(errno));
	now = msg_clock_ns();
	notify_alive(now);
	if (count > 0)
		stats_touch(&server->stats);
	for (int i = 0; i < count; i++) {
		void *mark = events[i].data.ptr;

		if (mark == &signal_mark)
			return 1;
		if (mark == &listen_mark)
			accept_clients(server);
		else if (mark == &bell_mark)
			ring_bell(server);
		else if (mark == &lane_mark)
			server->heard = true;
		else {
			struct client *c = mark;

			if (events[i].events & EPOLLOUT)
				client_writable(c);
			/* Not read from now, so it would be heard for ever. */
			if ((events[i].events & EPOLLHUP) &&
				client_is_unheard(c))
				c->broken = true;
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				client_readable(c);
		}
	}
	server_tidy(server);
	stats_tick(server, now);
	return 0;
}

/* How long to look before sleeping, after something came `gap_ns` behind what
 * was before it: as long as was allowed if that would have met it, else half as
 * long as so far.  Datagrams farther apart than that would have each pay for
 * looks that find nothing (tests/perf/README.md, "What a host pays"). */
static uint64_t next_spin(uint64_t spin_ns, uint64_t most_ns, uint64_t gap_ns)
{
	return gap_ns <= most_ns ? most_ns : spin_ns / 2;
}

int server_run(struct server *server)
{
	const uint64_t most_ns =
		MSG_NS_PER_US *
		config_number(server->options.config, CONFIG_SPIN_US);
	uint64_t spin_ns = most_ns;
	uint64_t busy_ns = 0;
	uint32_t turns = 0;
	bool idle = false;
	int result = 0;

	while (result == 0) {
		int busy = server_turn(server);
		uint64_t now = msg_clock_ns();

		if (busy < 0)
			return msg_fail(MSG_ERROR_FABRIC,
				"the lane failed; see the device and msg "
				"doctor");
		if (busy > 0) {
			if (idle)
				spin_ns = next_spin(
					spin_ns, most_ns, now - busy_ns);
			idle = false;
			busy_ns = now;
			stats_touch(&server->stats);
			if (++turns % TURNS_A_LOOK == 0)
				result = look(server, 0);
			continue;
		}
		idle = true;
		if (now - busy_ns < spin_ns) {
			if (++turns % TURNS_A_LOOK == 0)
				result = look(server, 0);
		} else {
			result = look(server,
				arm(server) ? patience_ms(server) : 0);
			awake(server);
		}
	}
	return result < 0 ? result : 0;
}

/* ---- life -------------------------------------------------------------- */

/* Each client costs some descriptors; take what we may have. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_feeds(struct server *server)
{
	const struct config *config = server->options.config;
	uint32_t classes = acl_class_count(&config->acl);
	int result = 0;

	if (!server->network.domain)
		return 0;
	server->feeds = calloc(classes, sizeof *server->feeds);
	if (!server->feeds)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for the feeds");
	for (uint32_t i = 0; i < classes && result == 0; i++) {
		result = feed_open(
			&server->feeds[i], server, server->slots);
		if (result == 0) {
			server->feed_count++;
			result = server_watch_lane(
				server, server->feeds[i]->link->fd);
			if (result == 0)
				result = server_watch_lane(
					server, server->feeds[i]->side->fd);
			if (result == 0 && server->feeds[i]->fetch)
				result = server_watch_lane(server,
					server->feeds[i]->fetched_by->fd);
		}
	}
	if (result == 0)
		result = server_watch_lane(server, server->network.link->fd);
	return result;
}

static int open_descriptors(struct server *server)
{
	int result;

	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll_fd < 0 ||
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0, server->bell) < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"cannot make descriptors: %s; raise LimitNOFILE "
			"(ulimit -n)",
			strerror(errno));
	result = server_watch(server, server->options.listen_fd, &listen_mark);
	if (result == 0)
		result = server_watch(
			server, server->options.signal_fd, &signal_mark);
	if (result == 0)
		result = server_watch(server, server->bell[1], &bell_mark);
	return result;
}

int server_open(struct server **server, const struct server_options *options)
{
	struct server *made = calloc(1, sizeof *made);
	int result;

	if (!made)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for the server");
	made->options = *options;
	made->epoll_fd = made->bell[0] = made->bell[1] = -1;
	made->slots = config_number(options->config, CONFIG_SLOTS);
	if (getrandom(&made->epoch, sizeof made->epoch, 0) !=
		(ssize_t)sizeof made->epoch) {
		free(made);
		return msg_fail(MSG_ERROR_FABRIC, "no random numbers: %s",
			strerror(errno));
	}
	raise_descriptors();
	result = open_descriptors(made);
	if (result == 0)
		result = accounts_open(
			&made->accounts, &options->config->limits);
	if (result == 0)
		result = types_open(&made->types);
	if (result == 0)
		result = network_open(
			&made->network, options->config, server_announced, made);
	made->network.on_publisher = server_appeared;
	made->finder.domain = made->network.domain;
	made->finder.bell = made->bell[0];
	if (result == 0)
		result = open_feeds(made);
	if (result == 0 && made->network.domain) {
		made->network.domain->meanwhile = meanwhile;
		made->network.domain->meanwhile_context = made;
	}
	if (result == 0)
		result = stats_open(made, options->place);
	if (result < 0)
		server_close(made);
	else
		*server = made;
	return result;
}

/* What somebody has published before the end was asked for; and what receivers
 * miss of it they may have now. */
static void send_rest(struct publisher *publisher, uint64_t end)
{
	uint64_t now = msg_clock_ns();
	uint64_t deadline = now + DRAIN_NS;

	while (publisher_ready(publisher) && publisher_turn(publisher) >= 0 &&
		msg_clock_ns() < deadline)
		;
	now = msg_clock_ns();
	if (publisher->keep && now < end)
		msg_repairer_linger(&publisher->keep->repairer,
			end - now < DRAIN_NS ? end - now : DRAIN_NS);
}

void server_close(struct server *server)
{
	uint64_t end;

	if (!server)
		return;
	/* Publishers write on without us, and their readers are to read on: for
	 * all of them it is as if we had died. */
	server->ending = true;
	end = msg_clock_ns() + LINGER_NS;
	while (server->clients)
		client_close(server->clients);
	/* It reads what the network is about. */
	finder_close(&server->finder);
	while (server->publishers) {
		send_rest(server->publishers, end);
		publisher_close(server->publishers);
	}
	for (uint32_t i = 0; i < server->feed_count; i++)
		feed_close(server->feeds[i]);
	free(server->feeds);
	types_close(server->types);
	network_close(&server->network);
	stats_close(&server->stats);
	accounts_close(server->accounts);
	for (int i = 0; i < 2; i++)
		if (server->bell[i] >= 0)
			close(server->bell[i]);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	free(server);
}
