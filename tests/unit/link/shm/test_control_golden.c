/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_golden.c - the frames of proto/golden/broker mean what they say.
 *
 * As protocol/test_golden.c, for the broker's socket: a file holds a frame in
 * hex, its "#=" lines say what is found in it.  The frame goes through a real
 * socket both ways, so that its header is checked, too.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/trail.h"
#include "check_main.h"
#include "link/shm/control.h"
#include "link/shm/socket.h"

static char expected[4096]; /* The "#=" lines. */
static char found[4096];    /* What we say instead. */
static uint8_t data[4096];  /* The frame. */
static size_t bytes;

static void load(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];

	ck_assert_msg(file != NULL, "%s", path);
	expected[0] = found[0] = '\0';
	bytes = 0;
	while (fgets(line, sizeof line, file)) {
		char *at = line, *end;

		if (strncmp(line, "#= ", 3) == 0)
			strcat(expected, line + 3);
		if (line[0] == '#')
			continue;
		for (;; at = end) {
			unsigned long byte = strtoul(at, &end, 16);

			if (end == at)
				break;
			data[bytes++] = (uint8_t)byte;
		}
	}
	fclose(file);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	size_t used = strlen(found);
	va_list args;

	va_start(args, format);
	vsnprintf(found + used, sizeof found - used, format, args);
	va_end(args);
}

static void say_hello(const struct msg_control_hello *hello)
{
	say("version %u\nrole %u\nprogram \"%s\"\npatient %u\n",
		hello->version, hello->role, hello->program, hello->patient);
}

static void say_publish(const struct msg_control_publish *publish)
{
	say("topic \"%s\"\nincarnation 0x%016" PRIx64 "\n", publish->topic,
		publish->incarnation);
	say("next_sequence %" PRIu64 "\nmessage_bytes_max %u\n",
		publish->next_sequence, publish->message_bytes_max);
	say("loan_count_max %u\nperiod_ms %u\nreliability %u\nflow %u\n"
	    "flow_count %u\n",
		publish->loan_count_max, publish->period_ms,
		publish->reliability, publish->flow, publish->flow_count);
	say("history_bytes %" PRIu64 "\nhistory_ms %u\ngive_up_ms %u\n",
		publish->history_bytes, publish->history_ms,
		publish->give_up_ms);
	say("linger_ms %u\nnext_frame %" PRIu64 "\nsession %u\n",
		publish->linger_ms, publish->next_frame, publish->session);
	say("large_bytes_max %u\nlarge_memory_bytes %" PRIu64 "\n",
		publish->large_bytes_max, publish->large_memory_bytes);
}

static void say_ring(const struct msg_control_ring *ring)
{
	say("number %u\ntopic \"%s\"\norigin %u\npublisher 0x%08x\n",
		ring->number, ring->topic, ring->origin, ring->publisher);
	say("reader %u\nentry_count %u\npool_bytes %" PRIu64 "\nhold_max %u\n"
	    "start %" PRIu64 "\nhistory %u\nprogram \"%s\"\n"
	    "large_bytes %" PRIu64 "\n",
		ring->reader, ring->entry_count, ring->pool_bytes,
		ring->hold_max, ring->start, ring->history, ring->program,
		ring->large_bytes);
}

static void say_message(const struct msg_control *control,
	const struct msg_control_frame *frame)
{
	say("%s\nfds %u\n", msg_control_kind_name(frame->kind),
		frame->fd_count);
	if (control->kind == MSG_CONTROL_HELLO)
		say_hello(&control->hello);
	else if (control->kind == MSG_CONTROL_PUBLISH)
		say_publish(&control->publish);
	else if (control->kind == MSG_CONTROL_RING)
		say_ring(&control->ring);
	else if (control->kind == MSG_CONTROL_REFUSED)
		say("code %u\ntext \"%s\"\n", control->refused.code,
			control->refused.text);
}

/* The frame as our side writes it is the file's. */
static void write_again(const struct msg_control *control,
	const struct msg_control_frame *frame)
{
	static uint8_t again[4096];
	struct msg_socket *ours;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(msg_socket_open(pair[0], &ours), 0);
	ck_assert_int_eq(
		msg_socket_say(ours, control, frame->fds, frame->fd_count), 0);
	ck_assert_int_eq(read(pair[1], again, sizeof again), (ssize_t)bytes);
	ck_assert_mem_eq(again, data, bytes);
	msg_socket_close(ours);
	close(pair[1]);
}

/* Send the file's bytes with as many descriptors as it announces. */
static void send_file(int to)
{
	char room[CMSG_SPACE(sizeof(int) * MSG_CONTROL_FDS_MAX)] = {0};
	struct iovec piece = {data, bytes};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	unsigned count = data[6];
	int fds[MSG_CONTROL_FDS_MAX] = {to, to, to, to};

	if (count > 0) {
		struct cmsghdr *rights;

		message.msg_control = room;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
	}
	ck_assert_int_eq(sendmsg(to, &message, 0), (ssize_t)bytes);
}

static void decode(void)
{
	bool of_client = strstr(expected, "from client") != NULL;
	struct msg_control_frame frame;
	struct msg_control control;
	struct msg_socket *ours;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(msg_socket_open(pair[0], &ours), 0);
	send_file(pair[1]);
	ck_assert_int_eq(msg_socket_receive(ours, &frame), 1);
	say("from %s\n", of_client ? "client" : "broker");
	if (msg_control_unpack(&control,
		    of_client ? MSG_CONTROL_CLIENT : MSG_CONTROL_BROKER,
		    &frame) == 0) {
		say_message(&control, &frame);
		write_again(&control, &frame);
	} else {
		say("refused %s\n", msg_trail_text());
	}
	msg_control_frame_close(&frame);
	msg_socket_close(ours);
	close(pair[1]);
}

START_TEST(each_frame_means_what_it_says)
{
	DIR *folder = opendir(GOLDEN_DIR);
	struct dirent *entry;
	unsigned count = 0;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder))) {
		char path[4096];

		if (!strstr(entry->d_name, ".hex"))
			continue;
		snprintf(path, sizeof path, GOLDEN_DIR "/%s", entry->d_name);
		load(path);
		decode();
		ck_assert_msg(strcmp(found, expected) == 0,
			"%s says\n%sbut we found\n%s", entry->d_name, expected,
			found);
		count++;
	}
	closedir(folder);
	ck_assert_uint_ge(count, 6);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control_golden");
	TCase *golden = check_case(suite, "golden", 10);

	tcase_add_test(golden, each_frame_means_what_it_says);
	return check_main(suite, NULL);
}
