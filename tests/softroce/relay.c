/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.c - the wire between the two machines of pair.sh, with faults.
 *
 * Each machine's card sends its Ethernet frames as datagrams over unix-domain
 * sockets, which lose nothing and leave the host's network alone:
 *
 *   left QEMU ──▶ DIR/left.relay  ┌───────┐ ──▶ DIR/right.qemu  right QEMU
 *   left QEMU ◀── DIR/left.qemu   │ relay │ ◀── DIR/right.relay right QEMU
 *                                 └───────┘
 * Only RoCEv2 frames (UDP port 4791) meet faults; ARP, IGMP and TCP pass, so
 * that a test loses what it measures and not its footing.
 *
 * What happens to a frame is a pure function of the seed, the direction and
 * how many frames subject to faults went before it in that direction: the same
 * frames meet the same fate whatever the timing and whatever the other
 * direction does, and another rate of duplicates leaves the losses as they
 * were.  --foretell tells that fate beforehand.  A frame picked for reordering waits
 * until 1 to 4 later ones passed it, or for --hold if none come.
 *
 * When a receiver does not keep up, its queue fills and we stop reading from
 * the sender, whose card then waits: a slow machine costs time, never frames.
 * A receiver that is gone, or not there yet, costs frames, counted as
 * "undelivered".
 *
 * On SIGTERM or SIGINT prints one line of JSON with what it did and exits.
 * Used by pair.sh; tested by test_relay.c and selftest.sh.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ROCE_PORT 4791
#define FRAME_BYTES_MAX 65536
#define QUEUE_MAX 1024
#define OVERTAKEN_MAX 4
#define LOOK_NS 10000000L /* how often held frames are looked at */
#define RETRY_NS 500000L /* about a frame's time in an emulated machine */

struct options {
	const char *directory;
	const char *cut; /* folder in which cut.left and cut.right may appear */
	double loss, duplicate, reorder; /* of 1 */
	uint64_t seed;
	uint64_t foretell;
	int64_t hold_ns;
	bool multicast_only;
	bool faulty[2]; /* by direction */
};

struct frame {
	struct frame *next;
	size_t bytes;
	uint64_t release_at;  /* held: which later frame sets it free */
	int64_t release_time; /* held: or when */
	bool multicast;
	uint8_t data[];
};

/* Of one kind of RoCEv2 frame, unicast or multicast.
 * forwarded = seen - dropped + duplicated. */
struct tally {
	uint64_t seen, dropped, duplicated, reordered, forwarded;
};

struct direction {
	const char *name;
	const char *from;
	int in, out; /* bound sockets: of the sender's side, the receiver's */
	struct sockaddr_un to;
	struct frame *first, **last; /* on their way */
	struct frame *held;          /* waiting to be overtaken */
	unsigned queued;
	uint64_t index; /* frames subject to faults so far */
	uint64_t frames, cut, undelivered;
	struct tally tally[2]; /* unicast, multicast */
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* splitmix64: a good mix of one word (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* The draw of `purpose` for frame `index`. */
static uint64_t draw(const struct options *o, unsigned direction,
	uint64_t index, unsigned purpose)
{
	return mix(mix(mix(o->seed) ^ direction) ^ (index * 4 + purpose));
}

/* True in `rate` of all draws. */
static bool chance(uint64_t drawn, double rate)
{
	return (double)(drawn >> 11) * 0x1p-53 < rate;
}

/* Is this RoCEv2, over IPv4 or IPv6, perhaps in a VLAN? */
static bool is_roce(const uint8_t *data, size_t bytes)
{
	size_t at = 12;

	if (bytes >= at + 6 && data[at] == 0x81 && data[at + 1] == 0x00)
		at += 4;
	if (bytes < at + 2 + 20)
		return false;
	unsigned type = (unsigned)data[at] << 8 | data[at + 1];
	const uint8_t *ip = data + at + 2;
	size_t udp;

	if (type == 0x0800 && ip[9] == 17)
		udp = at + 2 + (size_t)(ip[0] & 15) * 4;
	else if (type == 0x86dd && ip[6] == 17)
		udp = at + 2 + 40;
	else
		return false;
	return bytes >= udp + 8 &&
	       ((unsigned)data[udp + 2] << 8 | data[udp + 3]) == ROCE_PORT;
}

static struct frame *frame_new(const uint8_t *data, size_t bytes)
{
	struct frame *f = malloc(sizeof(*f) + bytes);

	if (!f) {
		perror("relay: malloc");
		exit(1);
	}
	f->next = NULL;
	f->bytes = bytes;
	memcpy(f->data, data, bytes);
	f->multicast = data[0] & 1;
	return f;
}

static void enqueue(struct direction *d, struct frame *f)
{
	f->next = NULL;
	*d->last = f;
	d->last = &f->next;
	d->queued++;
}

/* Queue the held frames that are due; all of them when `time` is INT64_MAX. */
static void release_held(struct direction *d, int64_t time)
{
	struct frame **at = &d->held;

	while (*at) {
		struct frame *f = *at;

		if (f->release_at > d->index && f->release_time > time) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		enqueue(d, f);
	}
}

static void hold(struct direction *d, struct frame *f, uint64_t drawn,
	int64_t hold_ns)
{
	struct frame **at = &d->held;

	f->release_at = d->index + 1 + drawn % OVERTAKEN_MAX;
	f->release_time = now_ns() + hold_ns;
	while (*at)
		at = &(*at)->next;
	f->next = NULL;
	*at = f;
}

/* Decide the fate of one RoCEv2 frame and queue what is left of it. */
static void pass_roce(const struct options *o, struct direction *d,
	unsigned which, struct frame *f)
{
	struct tally *t = &d->tally[f->multicast];

	t->seen++;
	if (!o->faulty[which] || (o->multicast_only && !f->multicast)) {
		t->forwarded++;
		enqueue(d, f);
		return;
	}
	uint64_t index = d->index++;
	uint64_t later = draw(o, which, index, 2);

	if (chance(draw(o, which, index, 0), o->loss)) {
		t->dropped++;
		free(f);
	} else {
		t->forwarded++;
		if (chance(draw(o, which, index, 1), o->duplicate)) {
			t->duplicated++;
			t->forwarded++;
			enqueue(d, frame_new(f->data, f->bytes));
		}
		if (chance(later, o->reorder)) {
			t->reordered++;
			hold(d, f, later, o->hold_ns);
		} else {
			enqueue(d, f);
		}
	}
	release_held(d, INT64_MIN);
}

static bool is_cut(const struct options *o, const struct direction *d)
{
	char path[4096];

	if (!o->cut)
		return false;
	snprintf(path, sizeof(path), "%s/cut.%s", o->cut, d->from);
	return access(path, F_OK) == 0;
}

/* Take what the sender has for us, as long as there is room. */
static void receive(
	const struct options *o, struct direction *d, unsigned which)
{
	static uint8_t data[FRAME_BYTES_MAX];

	while (d->queued < QUEUE_MAX) {
		ssize_t n = recv(d->in, data, sizeof(data), MSG_DONTWAIT);

		if (n < 14)
			return;
		d->frames++;
		if (is_cut(o, d)) {
			d->cut++;
			continue;
		}
		struct frame *f = frame_new(data, (size_t)n);

		if (is_roce(f->data, f->bytes))
			pass_roce(o, d, which, f);
		else
			enqueue(d, f);
	}
}

/* Returns false when the receiver has no room for now. */
static bool send_queued(struct direction *d)
{
	while (d->first) {
		struct frame *f = d->first;

		if (sendto(d->out, f->data, f->bytes, MSG_DONTWAIT,
			    (struct sockaddr *)&d->to, sizeof(d->to)) < 0) {
			if (errno == EAGAIN || errno == ENOBUFS ||
				errno == EINTR)
				return false;
			d->undelivered++;
		}
		d->first = f->next;
		if (!d->first)
			d->last = &d->first;
		d->queued--;
		free(f);
	}
	return true;
}

/* `mask` is what to wait with: the signals that stop us are blocked but there,
 * so that none falls between the test and the wait. */
static void serve(
	const struct options *o, struct direction *d, const sigset_t *mask)
{
	while (!stopped) {
		struct pollfd wait[2];
		long timeout_ns = -1;

		for (unsigned i = 0; i < 2; i++) {
			if (d[i].held)
				release_held(&d[i], now_ns());
			/* A full receiver cannot be waited for with poll(),
			 * as this socket sends to no fixed peer. */
			if (!send_queued(&d[i]))
				timeout_ns = RETRY_NS;
			if (d[i].held && timeout_ns < 0)
				timeout_ns = LOOK_NS;
			wait[i].fd = d[i].queued < QUEUE_MAX ? d[i].in : -1;
			wait[i].events = POLLIN;
			wait[i].revents = 0;
		}
		struct timespec timeout = {.tv_nsec = timeout_ns};

		if (ppoll(wait, 2, timeout_ns < 0 ? NULL : &timeout, mask) < 0)
			continue;
		for (unsigned i = 0; i < 2; i++)
			if (wait[i].revents)
				receive(o, &d[i], i);
	}
	for (unsigned i = 0; i < 2; i++) {
		receive(o, &d[i], i);
		release_held(&d[i], INT64_MAX);
		send_queued(&d[i]);
		d[i].undelivered += d[i].queued;
	}
}

static void print_tally(const char *name, const struct tally *t)
{
	printf("\"%s\":{\"seen\":%ju,\"dropped\":%ju,\"duplicated\":%ju,"
	       "\"reordered\":%ju,\"forwarded\":%ju}",
		name, (uintmax_t)t->seen, (uintmax_t)t->dropped,
		(uintmax_t)t->duplicated, (uintmax_t)t->reordered,
		(uintmax_t)t->forwarded);
}

static void print_result(const struct options *o, const struct direction *d)
{
	printf("{\"seed\":%ju", (uintmax_t)o->seed);
	for (unsigned i = 0; i < 2; i++) {
		printf(",\"%s\":{\"frames\":%ju,", d[i].name,
			(uintmax_t)d[i].frames);
		print_tally("roce_unicast", &d[i].tally[0]);
		printf(",");
		print_tally("roce_multicast", &d[i].tally[1]);
		printf(",\"cut\":%ju,\"undelivered\":%ju}", (uintmax_t)d[i].cut,
			(uintmax_t)d[i].undelivered);
	}
	printf("}\n");
}

/* Print the fate of the first frames subject to faults, of each direction. */
static void foretell(const struct options *o)
{
	printf("{\"seed\":%ju", (uintmax_t)o->seed);
	for (unsigned which = 0; which < 2; which++) {
		struct tally t = {0};

		for (uint64_t i = 0; i < o->foretell; i++) {
			t.seen++;
			if (chance(draw(o, which, i, 0), o->loss)) {
				t.dropped++;
				continue;
			}
			if (chance(draw(o, which, i, 1), o->duplicate))
				t.duplicated++;
			if (chance(draw(o, which, i, 2), o->reorder))
				t.reordered++;
		}
		t.forwarded = t.seen - t.dropped + t.duplicated;
		printf(",");
		print_tally(which ? "right_to_left" : "left_to_right", &t);
	}
	printf("}\n");
}

static struct sockaddr_un address(
	const struct options *o, const char *side, const char *end)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s.%s",
		o->directory, side, end);

	if (n < 0 || (size_t)n >= sizeof(a.sun_path)) {
		fprintf(stderr, "relay: %s: too long for a socket's name\n",
			o->directory);
		exit(2);
	}
	return a;
}

static int bound_socket(const struct options *o, const char *side)
{
	struct sockaddr_un a = address(o, side, "relay");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a))) {
		fprintf(stderr, "relay: %s: %s\n", a.sun_path, strerror(errno));
		exit(1);
	}
	return fd;
}

static void usage(FILE *to)
{
	fputs("usage: softroce_relay [OPTION...] DIR\n"
	      "  --loss PERCENT --duplicate PERCENT --reorder PERCENT\n"
	      "  --hold MS           a reordered frame leaves after that, though\n"
	      "                      no other came (10)\n"
	      "  --seed N            what the faults are drawn from (1)\n"
	      "  --multicast-only    faults meet multicast frames only\n"
	      "  --from left|right   faults meet what this side sends only\n"
	      "  --cut FOLDER        cut.left, cut.right there cut the wire\n"
	      "  --foretell N        print what the first N frames would "
	      "meet\n",
		to);
}

static double percent(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= 100)) {
		fprintf(stderr, "relay: %s is not a percentage\n", text);
		exit(2);
	}
	return value / 100;
}

static struct options parse(int count, char **words)
{
	static const struct option known[] = {{"loss", 1, NULL, 'l'},
		{"duplicate", 1, NULL, 'd'}, {"reorder", 1, NULL, 'r'},
		{"hold", 1, NULL, 'o'}, {"seed", 1, NULL, 's'}, {"multicast-only", 0, NULL, 'm'},
		{"from", 1, NULL, 'f'}, {"cut", 1, NULL, 'c'},
		{"foretell", 1, NULL, 'p'}, {"help", 0, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	struct options o = {.seed = 1, .hold_ns = 10000000, .faulty = {true, true}};
	int c;

	while ((c = getopt_long(count, words, "", known, NULL)) != -1) {
		switch (c) {
		case 'l':
			o.loss = percent(optarg);
			break;
		case 'd':
			o.duplicate = percent(optarg);
			break;
		case 'r':
			o.reorder = percent(optarg);
			break;
		case 'o':
			o.hold_ns = strtol(optarg, NULL, 10) * 1000000;
			break;
		case 's':
			o.seed = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			o.multicast_only = true;
			break;
		case 'f':
			o.faulty[0] = strcmp(optarg, "right") != 0;
			o.faulty[1] = strcmp(optarg, "left") != 0;
			break;
		case 'c':
			o.cut = optarg;
			break;
		case 'p':
			o.foretell = strtoull(optarg, NULL, 0);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind != count - !o.foretell) {
		usage(stderr);
		exit(2);
	}
	o.directory = words[optind]; /* NULL when foretelling */
	return o;
}

int main(int count, char **words)
{
	struct options o = parse(count, words);

	if (o.foretell) {
		foretell(&o);
		return 0;
	}
	struct sigaction stop = {.sa_handler = on_signal};
	sigset_t stops, mask;
	int left = bound_socket(&o, "left"), right = bound_socket(&o, "right");
	struct direction d[2] = {
		{.name = "left_to_right",
			.from = "left",
			.in = left,
			.out = right,
			.to = address(&o, "right", "qemu")},
		{.name = "right_to_left",
			.from = "right",
			.in = right,
			.out = left,
			.to = address(&o, "left", "qemu")},
	};

	for (unsigned i = 0; i < 2; i++)
		d[i].last = &d[i].first;
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigprocmask(SIG_BLOCK, &stops, &mask);
	sigdelset(&mask, SIGTERM);
	sigdelset(&mask, SIGINT);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	serve(&o, d, &mask);
	print_result(&o, d);
	return 0;
}
