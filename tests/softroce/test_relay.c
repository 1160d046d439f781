/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_relay.c - the relay loses exactly what it says, and again the same.
 *
 *   test_relay RELAY        path of softroce_relay
 *
 * Plays both cards: sends numbered frames into a relay of its own and looks at
 * what comes out.  No virtual machine, no network.  Each case prints its name;
 * the first that fails says why and ends the program with status 1.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAMES 5000
#define FRAME_BYTES 100
#define NUMBER_AT 60

enum kind {
	MULTICAST,
	UNICAST,
	ARP
};

static const char *relay_path;
static const char *running = "start";

#define REQUIRE(condition)                                                     \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "FAIL %s: line %d: %s\n", running,     \
				__LINE__, #condition);                         \
			exit(1);                                               \
		}                                                              \
	} while (0)

struct wire {
	char directory[64];
	int left, right;
	struct sockaddr_un left_relay;
	pid_t relay;
	int result;
	char json[2048];
};

/* What came out at the right: the frames' numbers in their order. */
struct arrived {
	uint32_t number[2 * FRAMES];
	unsigned count;
};

static struct sockaddr_un name_of(const struct wire *w, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", w->directory, name);
	return a;
}

static int card(const struct wire *w, const char *name)
{
	struct sockaddr_un a = name_of(w, name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

/* Start a relay with up to 8 words of options, NULL at the end. */
static void wire_open(struct wire *w, const char *const *options)
{
	const char *words[12] = {relay_path};
	unsigned count = 1;
	int out[2];

	snprintf(w->directory, sizeof(w->directory), "/tmp/test_relay.XXXXXX");
	REQUIRE(mkdtemp(w->directory) && !pipe(out));
	w->left = card(w, "left.qemu");
	w->right = card(w, "right.qemu");
	w->left_relay = name_of(w, "left.relay");
	while (*options)
		words[count++] = *options++;
	words[count] = w->directory;
	w->relay = fork();
	REQUIRE(w->relay >= 0);
	if (w->relay == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], 1);
		execv(relay_path, (char **)(uintptr_t)words);
		_exit(127);
	}
	close(out[1]);
	w->result = out[0];
	for (int i = 0; i < 500; i++) {
		struct sockaddr_un a = name_of(w, "right.relay");

		if (access(a.sun_path, F_OK) == 0)
			return;
		usleep(10000);
	}
	REQUIRE(false && "the relay started");
}

static void wire_close(struct wire *w)
{
	static const char *const names[] = {"left.qemu", "right.qemu",
		"left.relay", "right.relay", "cut.left"};
	size_t have = 0;
	ssize_t n;
	int status;

	kill(w->relay, SIGTERM);
	while ((n = read(w->result, w->json + have,
			sizeof(w->json) - 1 - have)) > 0)
		have += (size_t)n;
	w->json[have] = 0;
	REQUIRE(waitpid(w->relay, &status, 0) == w->relay && status == 0);
	close(w->result);
	close(w->left);
	close(w->right);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(name_of(w, names[i]).sun_path);
	rmdir(w->directory);
}

/* The first count called `name` after `section`, in the direction left to
 * right, which comes first. */
static unsigned long counted(
	const struct wire *w, const char *section, const char *name)
{
	char key[64];
	const char *at = strstr(w->json, section);

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = at ? strstr(at, key) : NULL;
	REQUIRE(at);
	return strtoul(at + strlen(key), NULL, 10);
}

static void fill(uint8_t *data, enum kind kind, uint32_t number)
{
	memset(data, 0, FRAME_BYTES);
	if (kind == MULTICAST)
		memcpy(data, "\x01\x00\x5e\x01\x02\x03", 6);
	else
		memcpy(data, "\x52\x54\x00\x77\x00\x02", 6);
	memcpy(data + 12, kind == ARP ? "\x08\x06" : "\x08\x00", 2);
	data[14] = 0x45;
	data[14 + 9] = 17;
	data[34 + 2] = 4791 >> 8;
	data[34 + 3] = 4791 & 255;
	memcpy(data + NUMBER_AT, &number, sizeof(number));
}

static void take(struct wire *w, struct arrived *a, int patience_ms)
{
	struct pollfd p = {.fd = w->right, .events = POLLIN};
	uint8_t data[FRAME_BYTES];

	while (poll(&p, 1, patience_ms) > 0) {
		REQUIRE(recv(w->right, data, sizeof(data), 0) == FRAME_BYTES);
		REQUIRE(a->count < 2 * FRAMES);
		memcpy(&a->number[a->count++], data + NUMBER_AT, 4);
	}
}

/* Send frames first .. end-1 from the left, taking what comes meanwhile. */
static void play(struct wire *w, enum kind kind, uint32_t first, uint32_t end,
	struct arrived *a)
{
	uint8_t data[FRAME_BYTES];

	for (uint32_t i = first; i < end; i++) {
		fill(data, kind, i);
		while (sendto(w->left, data, sizeof(data), MSG_DONTWAIT,
			       (struct sockaddr *)&w->left_relay,
			       sizeof(w->left_relay)) < 0) {
			REQUIRE(errno == EAGAIN);
			take(w, a, 1);
		}
	}
	take(w, a, 300);
}

static bool same(const struct arrived *a, const struct arrived *b)
{
	return a->count == b->count &&
	       memcmp(a->number, b->number, a->count * 4) == 0;
}

/* One run of all frames of one kind. */
static void run(const char *const *options, enum kind kind, struct wire *w,
	struct arrived *a)
{
	a->count = 0;
	wire_open(w, options);
	play(w, kind, 0, FRAMES, a);
	wire_close(w);
}

static struct wire wire;
static struct arrived once, again;

static void without_faults_all_arrive_in_order(void)
{
	static const char *const none[] = {NULL};

	run(none, MULTICAST, &wire, &once);
	REQUIRE(once.count == FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++)
		REQUIRE(once.number[i] == i);
	REQUIRE(counted(&wire, "roce_multicast", "seen") == FRAMES);
	REQUIRE(counted(&wire, "left_to_right", "frames") == FRAMES);
	REQUIRE(counted(&wire, "left_to_right", "undelivered") == 0);
}

static void loss_is_exact_and_repeats(void)
{
	static const char *const ten[] = {"--loss", "10", "--seed", "7", NULL};
	static const char *const other[] = {
		"--loss", "10", "--seed", "8", NULL};

	run(ten, MULTICAST, &wire, &once);
	unsigned long dropped = counted(&wire, "roce_multicast", "dropped");

	REQUIRE(once.count == FRAMES - dropped);
	/* Five standard deviations about 500. */
	REQUIRE(dropped > 390 && dropped < 610);
	run(ten, MULTICAST, &wire, &again);
	REQUIRE(same(&once, &again));
	run(other, MULTICAST, &wire, &again);
	REQUIRE(!same(&once, &again));
}

static void duplicates_leave_the_losses_as_they_were(void)
{
	static const char *const both[] = {
		"--loss", "10", "--duplicate", "20", "--seed", "7", NULL};
	static const char *const loss[] = {"--loss", "10", "--seed", "7", NULL};
	unsigned at = 0;

	run(loss, MULTICAST, &wire, &once);
	run(both, MULTICAST, &wire, &again);
	REQUIRE(again.count - once.count ==
		counted(&wire, "roce_multicast", "duplicated"));
	for (unsigned i = 0; i < again.count; i++)
		if (i == 0 || again.number[i] != again.number[i - 1])
			REQUIRE(again.number[i] == once.number[at++]);
	REQUIRE(at == once.count);
}

static void reordering_delays_by_four_at_most(void)
{
	static const char *const some[] = {
		"--reorder", "20", "--seed", "3", "--hold", "200", NULL};
	static unsigned char seen[FRAMES];
	unsigned out_of_place = 0;

	run(some, MULTICAST, &wire, &once);
	REQUIRE(once.count == FRAMES);
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0, first = 0; i < once.count; i++) {
		REQUIRE(!seen[once.number[i]]++);
		REQUIRE(once.number[i] >= first && once.number[i] < i + 5);
		REQUIRE(i < once.number[i] + 5 + 4);
		out_of_place += once.number[i] != i;
		while (first < FRAMES && seen[first])
			first++;
	}
	REQUIRE(out_of_place > 0);
	run(some, MULTICAST, &wire, &again);
	REQUIRE(same(&once, &again));
}

static void only_roce_meets_faults(void)
{
	static const char *const all[] = {"--loss", "100", NULL};
	static const char *const multicast[] = {
		"--loss", "100", "--multicast-only", NULL};
	static const char *const right[] = {
		"--loss", "100", "--from", "right", NULL};

	run(all, ARP, &wire, &once);
	REQUIRE(once.count == FRAMES);
	run(all, UNICAST, &wire, &once);
	REQUIRE(once.count == 0);
	run(multicast, UNICAST, &wire, &once);
	REQUIRE(once.count == FRAMES);
	run(multicast, MULTICAST, &wire, &once);
	REQUIRE(once.count == 0);
	run(right, MULTICAST, &wire, &once);
	REQUIRE(once.count == FRAMES);
}

static void a_cut_stops_everything_until_healed(void)
{
	static char folder[64];
	const char *const options[] = {"--cut", folder, NULL};
	FILE *file;

	once.count = 0;
	/* The folder is known only once open has made it: name it by link. */
	snprintf(folder, sizeof(folder), "/tmp/test_relay_cut.%d", getpid());
	wire_open(&wire, options);
	REQUIRE(!symlink(wire.directory, folder));
	play(&wire, ARP, 0, 100, &once);
	REQUIRE(once.count == 100);
	file = fopen(name_of(&wire, "cut.left").sun_path, "w");
	REQUIRE(file && !fclose(file));
	play(&wire, ARP, 100, 200, &once);
	REQUIRE(once.count == 100);
	REQUIRE(!unlink(name_of(&wire, "cut.left").sun_path));
	play(&wire, ARP, 200, 300, &once);
	REQUIRE(once.count == 200 && once.number[100] == 200);
	wire_close(&wire);
	unlink(folder);
	REQUIRE(counted(&wire, "left_to_right", "cut") == 100);
}

static void a_slow_receiver_loses_nothing(void)
{
	static const char *const none[] = {NULL};
	uint8_t data[FRAME_BYTES];
	uint32_t sent = 0;

	once.count = 0;
	wire_open(&wire, none);
	/* Until all queues are full and the sender is told to wait. */
	for (int refused = 0; sent < FRAMES && refused < 100;) {
		fill(data, MULTICAST, sent);
		if (sendto(wire.left, data, sizeof(data), MSG_DONTWAIT,
			    (struct sockaddr *)&wire.left_relay,
			    sizeof(wire.left_relay)) < 0) {
			refused++;
			usleep(1000);
		} else {
			sent++;
		}
	}
	take(&wire, &once, 300);
	REQUIRE(sent < FRAMES && once.count == sent);
	wire_close(&wire);
}

static void foretold_is_what_happens(void)
{
	static const char *const options[] = {
		"--loss", "7", "--duplicate", "3", "--seed", "99", NULL};
	char command[256], line[1024], expected[256];
	FILE *pipe_in;

	snprintf(command, sizeof(command),
		"%s --loss 7 --duplicate 3 --seed 99 --foretell %d", relay_path,
		FRAMES);
	pipe_in = popen(command, "r");
	REQUIRE(pipe_in && fgets(line, sizeof(line), pipe_in));
	REQUIRE(!pclose(pipe_in));
	run(options, MULTICAST, &wire, &once);
	snprintf(expected, sizeof(expected),
		"\"left_to_right\":{\"seen\":%d,\"dropped\":%lu,"
		"\"duplicated\":%lu,",
		FRAMES, counted(&wire, "roce_multicast", "dropped"),
		counted(&wire, "roce_multicast", "duplicated"));
	REQUIRE(strstr(line, expected));
}

int main(int count, char **words)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
#define TEST(function) {#function, function}
		TEST(without_faults_all_arrive_in_order),
		TEST(loss_is_exact_and_repeats),
		TEST(duplicates_leave_the_losses_as_they_were),
		TEST(reordering_delays_by_four_at_most),
		TEST(only_roce_meets_faults),
		TEST(a_cut_stops_everything_until_healed),
		TEST(a_slow_receiver_loses_nothing),
		TEST(foretold_is_what_happens),
	};

	if (count != 2) {
		fprintf(stderr, "usage: test_relay RELAY\n");
		return 2;
	}
	relay_path = words[1];
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		running = tests[i].name;
		tests[i].run();
		printf("PASS %s\n", running);
	}
	return 0;
}
