/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_broker.c - what a broker's memory must stand while a device writes it.
 *
 * The broker has rxe0; a publisher that has the device for itself sends to it
 * by multicast.  Subscribers die with views in hand, or are hostile: with the
 * very descriptors they were given they try whatever could change what others
 * read.  Run in the machine of tests/softroce; elsewhere it is skipped.
 *
 * The descriptors are those that the library is handed: our recvmsg is called
 * in place of libc's and keeps a copy of each.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/falloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <msg/broker.h>
#include <msg/msg.h>

#include "actor.h"
#include "engine/fetch.h"
#include "link/link.h"
#include "link/module.h"

#define DEVICE "rxe0"
#define TOPIC "a.b"
/* Those that come by the network, and those that history is read into. */
#define SLOTS (1024 + MSG_FETCH_SLOTS)
#define NOBODY 65534
/* Enough that all slots were gone if none of a victim came back. */
#define VICTIMS 9
#define VICTIM_VIEWS 128

static const char *const arguments[] = {
	"--device", DEVICE, "--slots", "1024", NULL};
static struct host host;   /* Behind the broker. */
static struct host direct; /* With the device. */

static void setup(void)
{
	actors_open();
	host_open(&host, NULL);
	host.arguments = arguments;
	host_start(&host);
	/* Bound is not serving: it has yet to open the device. */
	AWAIT(20, host_log_count(&host, "info: started:") == 1);
	direct.device = DEVICE;
}

static void teardown(void)
{
	host_close(&host);
}

/* A frame each: what comes in fragments is no single piece to look at. */
static struct actor *start_publisher(void)
{
	struct publisher_plan plan = {
		.host = &direct, .topic = TOPIC, .bytes_min = 40,
		.bytes_max = 900, .burst = 2, .pause_us = 5000,
		.seed = check_seed(),
	};

	return publisher_start(&plan);
}

static struct actor *start_subscriber(uint32_t keep)
{
	struct subscriber_plan plan = {
		.host = &host, .topic = TOPIC, .keep = keep, .buffers = 256,
		.seed = check_seed(),
	};

	return subscriber_start(&plan);
}

static void report(const char *name, struct actor *s)
{
	printf("%s: %llu delivered, %llu lost\n", name,
		(unsigned long long)subscriber_delivered(s),
		(unsigned long long)subscriber_lost(s));
}

/* ---- killed with views in hand --------------------------------------------- */

/* All slots can be written, or wait in a ring that nobody keeps them from
 * leaving; and nobody but the `readers` is attached. */
static bool all_is_back(struct msg_broker *broker, uint32_t readers)
{
	const struct msg_broker_reader *reader;
	const struct msg_broker_stream *stream;
	const struct msg_broker_feed *feed;
	uint64_t slots = 0, held = 0;
	uint32_t count = 0;

	if (msg_broker_read(broker) < 0)
		return false;
	for (; (reader = msg_broker_reader(broker, count)) != NULL; count++)
		held += reader->counts.held + reader->counts.in_hand +
			reader->counts.lag;
	feed = msg_broker_feed(broker, 0);
	stream = msg_broker_stream(broker, 0);
	if (!feed || !stream)
		return false;
	slots = feed->counts.posted + feed->counts.free + stream->counts.head -
		stream->counts.tail;
	return slots == SLOTS && held == 0 && count == readers &&
	       feed->counts.starved == 0;
}

START_TEST(slots_of_the_killed_come_back)
{
	struct actor *others[2] = {start_subscriber(8), start_subscriber(8)};
	struct actor *publisher = start_publisher();
	struct msg_broker *broker;

	for (int i = 0; i < VICTIMS; i++) {
		struct actor *victim = start_subscriber(0);

		victim->mode = ACTOR_KEEP;
		AWAIT(20, victim->in_hand >= VICTIM_VIEWS);
		actor_kill(victim);
	}
	publisher->mode = ACTOR_IDLE;
	for (int i = 0; i < 2; i++) {
		AWAIT(20, book_is_level(others[i], publisher));
		ck_assert_uint_eq(subscriber_book(others[i],
			publisher->publisher)->first, 0);
		/* What is in hand is given back once it is told to go. */
		report("another", others[i]);
		ck_assert_uint_eq(subscriber_lost(others[i]), 0);
	}
	actor_stop(others[1]);
	others[0]->mode = ACTOR_NORMAL;
	AWAIT(20, others[0]->in_hand <= 8);
	actor_stop(others[0]);
	others[0] = start_subscriber(0);
	ck_assert_int_eq(msg_broker_open(host.socket, &broker), 0);
	AWAIT(10, all_is_back(broker, 1));
	ck_assert_int_eq(msg_broker_close(broker), 0);
	actor_stop(others[0]);
	actor_stop(publisher);
}
END_TEST

/* ---- attacks on a descriptor: whether it got in ------------------------------ */

static bool write_map(void *map)
{
	if (map == MAP_FAILED)
		return false;
	*(volatile char *)map = 0x55;
	return true;
}

static bool by_map(int fd, size_t bytes)
{
	return write_map(mmap(
		NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

static bool by_mprotect(int fd, size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	bool got = map == MAP_FAILED ||
		   mprotect(map, bytes, PROT_READ | PROT_WRITE) == 0;

	if (got)
		return map == MAP_FAILED ? true : write_map(map);
	munmap(map, bytes);
	return false;
}

static bool by_write(int fd, size_t bytes)
{
	struct iovec piece = {"forged", 6};

	return pwrite(fd, "forged", 6, 0) > 0 ||
	       pwrite(fd, "forged", 6, (off_t)bytes / 2) > 0 ||
	       pwritev2(fd, &piece, 1, 0, 0) > 0 || write(fd, "forged", 6) > 0;
}

/* The superuser may open it again: that must be of no use to him. */
static bool by_opening_again(int fd, size_t bytes)
{
	char path[64];
	int again;
	bool got;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again < 0)
		return getuid() == NOBODY && errno != EACCES;
	got = getuid() == NOBODY || by_write(again, bytes) ||
	      by_map(again, bytes) || by_mprotect(again, bytes);
	close(again);
	return got;
}

static bool by_truncation(int fd, size_t bytes)
{
	return ftruncate(fd, 0) == 0 || ftruncate(fd, (off_t)bytes / 2) == 0 ||
	       ftruncate(fd, (off_t)bytes * 2) == 0;
}

static bool by_holes(int fd, size_t bytes)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};

	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
		if (fallocate(fd, modes[i], 0, (off_t)bytes / 2) == 0)
			return true;
	return fallocate(fd, 0, (off_t)bytes, (off_t)bytes) == 0;
}

static bool by_madvise(int fd, size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	bool got = map == MAP_FAILED || madvise(map, bytes, MADV_REMOVE) == 0;

	if (map != MAP_FAILED)
		munmap(map, bytes);
	return got;
}

static bool by_seals(int fd, size_t bytes)
{
	(void)bytes;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 ||
	       fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0;
}

static const struct {
	const char *name;
	bool (*try)(int fd, size_t bytes);
} attacks[] = {
	{"a writable map", by_map},
	{"mprotect", by_mprotect},
	{"write", by_write},
	{"opening it again", by_opening_again},
	{"ftruncate", by_truncation},
	{"fallocate", by_holes},
	{"madvise", by_madvise},
	{"seals", by_seals},
};
#define ATTACKS (sizeof attacks / sizeof *attacks)

/* The broker itself, from outside. */
static bool by_the_process(pid_t pid)
{
	char path[64], byte = 0x55;
	struct iovec here = {&byte, 1}, there = {(void *)0x10000, 1};
	bool got;

	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	got = open(path, O_RDWR) >= 0 || errno != EACCES;
	snprintf(path, sizeof path, "/proc/%d/fd/3", (int)pid);
	got |= open(path, O_RDONLY) >= 0 || errno != EACCES;
	got |= process_vm_writev(pid, &here, 1, &there, 1, 0) >= 0 ||
	       errno != EPERM;
	return got;
}

/* ---- the attacker ---------------------------------------------------------- */

#define LOOT_MAX 32
static int loot[LOOT_MAX];
static int loot_count;

static void keep_descriptors(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
		c = CMSG_NXTHDR(message, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[16];

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
			count > 16)
			continue;
		memcpy(fds, CMSG_DATA(c), count * sizeof *fds);
		for (size_t i = 0; i < count && loot_count < LOOT_MAX; i++)
			loot[loot_count++] = dup(fds[i]);
	}
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, message, flags);

	if (n > 0)
		keep_descriptors(message);
	return n;
}

/* Whether descriptor `fd` is a segment that only the broker may write. */
static bool is_treasure(int fd, size_t *bytes)
{
	char path[64], name[128] = "";
	struct stat about;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (readlink(path, name, sizeof name - 1) < 0 ||
		fstat(fd, &about) < 0)
		return false;
	*bytes = (size_t)about.st_size;
	return strstr(name, "memfd:msg-ring") || strstr(name, "memfd:msg-pool");
}

static void become_nobody(struct actor *me)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0)
		actor_fail(me, "cannot become nobody");
	/* Else his own /proc/self were root's, and refuse for that reason. */
	prctl(PR_SET_DUMPABLE, 1);
}

static void attack_all(struct actor *me)
{
	for (int i = 0; i < loot_count; i++) {
		size_t bytes;

		if (!is_treasure(loot[i], &bytes))
			continue;
		for (unsigned k = 0; k < ATTACKS; k++) {
			if (attacks[k].try(loot[i], bytes))
				actor_fail(me, "%s got in, uid %u, bytes %zu",
					attacks[k].name, getuid(), bytes);
			me->turns++;
		}
	}
}

struct attacker_plan {
	bool root;
	pid_t broker;
};

static void attack(struct actor *me, const void *context)
{
	const struct attacker_plan *plan = context;
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *s;
	struct msg_node *node;
	struct msg_view view;
	size_t bytes;

	if (!plan->root)
		become_nobody(me);
	actor_must(me, host_node(&host, &node), "node");
	o.topic = TOPIC;
	actor_must(me, msg_subscriber_open(node, &o, &s), "subscriber");
	while (msg_subscriber_take(s, &view, 1) == 0 && !me->stop)
		(void)!msg_subscriber_wait(s, 20000000);
	for (int i = 0; i < loot_count; i++)
		me->in_hand += is_treasure(loot[i], &bytes);
	me->ready = true;
	while (!me->stop) {
		attack_all(me);
		if (!plan->root && by_the_process(plan->broker))
			actor_fail(me, "the broker's process lets nobody in");
		sleep_us(1000);
	}
}

START_TEST(what_the_device_writes_nobody_else_can)
{
	struct attacker_plan plans[2] = {
		{false, host.broker}, {true, host.broker}};
	struct actor *reader = start_subscriber(16);
	struct actor *publisher = start_publisher();
	struct actor *attackers[2];
	uint64_t before;

	for (int i = 0; i < 2; i++)
		attackers[i] = actor_start("attacker", attack, &plans[i]);
	for (int i = 0; i < 2; i++) {
		AWAIT(20, attackers[i]->ready);
		ck_assert_uint_eq(attackers[i]->in_hand, 2);
	}
	before = subscriber_delivered(reader);
	AWAIT(30, attackers[0]->turns >= 20 * 2 * ATTACKS &&
			  attackers[1]->turns >= 20 * 2 * ATTACKS &&
			  subscriber_delivered(reader) > before + 400);
	for (int i = 0; i < 2; i++) {
		printf("%u attacks as %s, none got in\n",
			(unsigned)attackers[i]->turns, i ? "root" : "nobody");
		actor_stop(attackers[i]);
	}
	publisher->mode = ACTOR_IDLE;
	AWAIT(20, book_is_level(reader, publisher));
	report("the reader", reader);
	ck_assert_uint_eq(subscriber_lost(reader), 0);
	actor_stop(reader);
	actor_stop(publisher);
}
END_TEST

/* ---- joins ------------------------------------------------------------------- */

#define JOINS 8

struct waiting {
	struct msg_link *link;
	unsigned turns;
};

static void count_turn(void *context)
{
	struct waiting *w = context;
	struct msg_link_event event;

	w->turns++;
	ck_assert_int_eq(w->link->ops->poll(w->link, &event, 1), 0);
}

/* The device's manager takes its time, which is not that of the topics that
 * are there already. */
START_TEST(a_join_leaves_time_for_others)
{
	static uint8_t memory[4096] __attribute__((aligned(4096)));
	struct msg_link_domain_options where = {
		.device = DEVICE, .ttl = 1, .family = AF_INET};
	struct msg_link_options options = {.memory = memory,
		.memory_bytes = sizeof memory, .receive_count = 16};
	struct sockaddr_in group = {.sin_family = AF_INET};
	const struct msg_link_domain_ops *ops;
	char text[MSG_LINK_TEXT_BYTES] = "";
	struct msg_link_domain *domain;
	struct waiting w = {0};
	unsigned turns = 0;

	ck_assert_int_eq(msg_link_module_load(&ops), 0);
	ck_assert_msg(ops->open(&where, &domain, text) == 0, "%s", text);
	ck_assert_msg(ops->link_open(domain, &options, &w.link, text) == 0,
		"%s", text);
	domain->meanwhile = count_turn;
	domain->meanwhile_context = &w;
	for (uint32_t i = 0; i < JOINS; i++) {
		uint64_t begin = now_ns();
		uint32_t handle;

		w.turns = 0;
		group.sin_addr.s_addr = htonl(0xeffe0100u + i);
		ck_assert_msg(w.link->ops->join(w.link, (void *)&group,
			MSG_LINK_JOIN_RECEIVE, &handle, text) == 0, "%s", text);
		printf("a join of %.1f ms, %u turns meanwhile\n",
			(double)(now_ns() - begin) / 1e6, w.turns);
		turns += w.turns;
	}
	ck_assert_uint_gt(turns, 0);
	w.link->ops->close(w.link);
	ops->close(domain);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("broker");
	TCase *tcase = check_case(suite, "broker", 100);

	if (access("/sys/class/infiniband/" DEVICE, F_OK) < 0 ||
		geteuid() != 0) {
		printf("SKIP broker: needs root and the device " DEVICE "\n");
		return 77;
	}
	/* We have libmsg in us, so the module is not beside it. */
	setenv("MSG_MODULE_DIR", FABRIC_DIR, 0);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, slots_of_the_killed_come_back);
	tcase_add_test(tcase, what_the_device_writes_nobody_else_can);
	tcase_add_test(tcase, a_join_leaves_time_for_others);
	return check_main(suite, NULL);
}
