/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look_find.c - which brokers there are, and how they are; see look.h.
 *
 * A broker lives if its process does: the one of that pid that started when the
 * counters say.  Where that cannot be seen (another pid namespace, no counters)
 * its socket is asked; a connection costs a broker little, but may make a
 * service manager start one.
 */
#include "api/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/options.h"
#include "base/clock.h"
#include "base/trail.h"
#include "link/shm/socket.h"

#define ASK_NS (2 * MSG_NS_PER_S)
/* Beyond that, of one that is not stopped: it may be starting. */
#define START_NS (3 * MSG_NS_PER_S)
/* An awake broker writes its counters ten times a second. */
#define STUCK_NS (2 * MSG_NS_PER_S)
#define NAMES_MAX 4096

/* ---- one broker ------------------------------------------------------------ */

int msg_look_path(const char *name, char path[MSG_PLACE_PATH_BYTES])
{
	return msg_place_client(msg_options_text(name, "MSG_BROKER"), path);
}

int msg_look_file(const char *path)
{
	char beside[MSG_PLACE_BESIDE_BYTES];
	int fd;

	msg_place_beside(path, ".stats", beside);
	/* A pipe put there must not keep us waiting. */
	fd = open(beside,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENOTDIR)
		return msg_fail(MSG_ERROR_DEVICE,
			"no broker has counters at %s; start msgbrokerd",
			beside);
	return msg_fail(MSG_ERROR_FABRIC,
		"the broker's counters at %s cannot be read: %s", beside,
		strerror(errno));
}

/* Wait for the answer of that kind; what the broker refuses is our error. */
static int answer(struct msg_socket *socket, enum msg_control_kind kind,
	uint64_t deadline, struct msg_control *message, int *fd)
{
	struct msg_control_frame frame;
	int result = msg_socket_wait(socket, deadline, &frame);

	if (result < 0)
		return result;
	result = msg_control_unpack(message, MSG_CONTROL_BROKER, &frame);
	if (result == 0 && message->kind == MSG_CONTROL_REFUSED)
		result = msg_fail((int)message->refused.code, "%s",
			message->refused.text);
	else if (result == 0 && message->kind != kind)
		result = msg_fail(MSG_ERROR_FABRIC,
			"the broker answered %s with something else",
			msg_control_kind_name(kind));
	else if (result < 0)
		result = -MSG_ERROR_FABRIC;
	if (result == 0 && fd && frame.fd_count > 0) {
		*fd = frame.fds[0];
		frame.fds[0] = -1;
	}
	msg_control_frame_close(&frame);
	return result;
}

static int hello(
	struct msg_socket *socket, struct msg_control_welcome *welcome)
{
	struct msg_control message = {.kind = MSG_CONTROL_HELLO};
	int result;

	message.hello = (struct msg_control_hello){
		.version = MSG_CONTROL_VERSION,
		.role = MSG_CONTROL_ONLOOKER,
	};
	snprintf(message.hello.program, sizeof message.hello.program, "%.63s",
		program_invocation_short_name);
	result = msg_socket_say(socket, &message, NULL, 0);
	if (result == 0)
		result = answer(socket, MSG_CONTROL_WELCOME,
			msg_clock_ns() + ASK_NS, &message, NULL);
	if (result == -MSG_ERROR_TIMEOUT &&
		!msg_place_is_stopped(msg_socket_fd(socket)))
		result = answer(socket, MSG_CONTROL_WELCOME,
			msg_clock_ns() + START_NS, &message, NULL);
	if (result < 0)
		return result;
	if (message.welcome.version != MSG_CONTROL_VERSION)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker speaks version %u and this libmsg version "
			"%u; install the same release of both",
			message.welcome.version, MSG_CONTROL_VERSION);
	*welcome = message.welcome;
	return 0;
}

static int ask_stats(struct msg_socket *socket, int *fd)
{
	struct msg_control message = {.kind = MSG_CONTROL_STATS};
	int result = msg_socket_say(socket, &message, NULL, 0);

	*fd = -1;
	if (result == 0)
		result = answer(socket, MSG_CONTROL_STATS_SEGMENT,
			msg_clock_ns() + ASK_NS, &message, fd);
	return result;
}

int msg_look_ask(
	const char *path, struct msg_control_welcome *welcome, int *stats_fd)
{
	struct msg_socket *socket = NULL;
	int fd;
	int result = msg_place_connect(path, &fd);

	if (result < 0)
		return result;
	result = msg_socket_open(fd, &socket);
	if (result < 0) {
		close(fd);
		return result;
	}
	result = hello(socket, welcome);
	if (result == 0 && stats_fd)
		result = ask_stats(socket, stats_fd);
	msg_socket_close(socket);
	if (result == -MSG_ERROR_TIMEOUT)
		return msg_fail(MSG_ERROR_TIMEOUT,
			"the broker at %s does not answer: it is stopped or "
			"hangs; see msg info, and end it if it stays so",
			path);
	return result;
}

/* ---- alive? ---------------------------------------------------------------- */

/* The state of a process, if it is the one that started then; 0: there is no
 * such process to be seen. */
static char process_state(uint32_t pid, uint64_t start)
{
	char path[64], text[1024];
	uint64_t began = 0;
	char state = 0;
	const char *rest;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* Behind the program's name, which may hold anything: field 3, and
	 * field 22. */
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1,
			     " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			     "%*s %*s %*s %*s %*s %*s %*s %" SCNu64,
			     &state, &began) != 2)
		return 0;
	return start == 0 || start == began ? state : 0;
}

static bool answers(const char *path)
{
	int fd, result = msg_place_connect(path, &fd);

	if (result == 0)
		close(fd);
	return result == 0 || result == -MSG_ERROR_AGAIN;
}

static bool is_stuck(const struct msg_stats_header *h, uint64_t now)
{
	uint64_t until = msg_load(&h->asleep_until_ns, relaxed);
	uint64_t since = until ? until : msg_load(&h->updated_ns, relaxed);

	return now > since && now - since > STUCK_NS;
}

enum msg_broker_state msg_look_alive(
	const struct msg_stats_header *h, const char *path, uint64_t now_ns)
{
	char state = process_state(h->pid, h->pid_start);

	if (state == 'T' || state == 't')
		return MSG_BROKER_STATE_STOPPED;
	if (state == 'Z' || state == 'X')
		return MSG_BROKER_STATE_GONE;
	if (!state && !answers(path))
		return MSG_BROKER_STATE_GONE;
	return is_stuck(h, now_ns) ? MSG_BROKER_STATE_STUCK
				   : MSG_BROKER_STATE_RUNNING;
}

/* ---- describing ------------------------------------------------------------ */

/* By its counters.  Whether there are any. */
static bool describe_by_file(struct msg_broker_entry *entry)
{
	struct msg_stats_header header;
	int fd = msg_look_file(entry->path);
	int result;

	if (fd < 0)
		return false;
	result = msg_stats_read_header(fd, &header);
	close(fd);
	if (result < 0)
		return false;
	entry->pid = header.pid;
	entry->state =
		(uint32_t)msg_look_alive(&header, entry->path, msg_clock_ns());
	return true;
}

static void describe(struct msg_broker_entry *entry)
{
	int fd;

	if (describe_by_file(entry) && entry->state != MSG_BROKER_STATE_GONE)
		return;
	entry->connect = msg_place_connect(entry->path, &fd);
	if (entry->connect == 0)
		close(fd);
	/* One that may not be reached may well be there. */
	entry->state = entry->connect == -MSG_ERROR_DEVICE
			       ? MSG_BROKER_STATE_GONE
			       : MSG_BROKER_STATE_RUNNING;
}

int msg_broker_probe(const char *name, struct msg_broker_entry *entry)
{
	struct msg_control_welcome welcome;
	char path[MSG_PLACE_PATH_BYTES];
	int result;

	if (!entry)
		return msg_fail(MSG_ERROR_ARGUMENT, "entry must not be NULL");
	result = msg_look_path(name, path);
	if (result < 0)
		return result;
	memset(entry, 0, sizeof *entry);
	snprintf(entry->path, sizeof entry->path, "%s", path);
	name = msg_options_text(name, "MSG_BROKER");
	snprintf(entry->name, sizeof entry->name, "%.71s",
		name ? name : MSG_PLACE_NAME_DEFAULT);
	entry->state = MSG_BROKER_STATE_GONE;
	describe_by_file(entry);
	/* Last, for its reason is the one that is told. */
	result = msg_look_ask(path, &welcome, NULL);
	entry->connect = result;
	if (result == 0) {
		entry->pid = welcome.pid;
		snprintf(entry->name, sizeof entry->name, "%s", welcome.name);
		entry->state = MSG_BROKER_STATE_RUNNING;
	} else if (result != -MSG_ERROR_DEVICE &&
		   entry->state == MSG_BROKER_STATE_GONE) {
		entry->state = MSG_BROKER_STATE_RUNNING;
	}
	return result;
}

/* ---- listing --------------------------------------------------------------- */

struct names {
	struct msg_broker_entry *entries;
	int count;
	int capacity;
};

/* The name that a file stands for, if it stands for one. */
static bool name_of(const char *file, char *name, size_t bytes)
{
	const char *dot = strrchr(file, '.');
	char path[MSG_PLACE_PATH_BYTES];

	if (!dot || dot == file ||
		(strcmp(dot, ".sock") != 0 && strcmp(dot, ".stats") != 0))
		return false;
	if ((size_t)(dot - file) >= bytes)
		return false;
	memcpy(name, file, (size_t)(dot - file));
	name[dot - file] = '\0';
	return msg_place_client(name, path) == 0;
}

/* Add a broker, unless there is one of that name. */
static int note(struct names *names, const char *folder, const char *file)
{
	struct msg_broker_entry *more, *entry;
	char name[sizeof more->name];

	if (!name_of(file, name, sizeof name))
		return 0;
	for (int i = 0; i < names->count; i++)
		if (strcmp(names->entries[i].name, name) == 0)
			return 0;
	if (names->count == names->capacity) {
		int capacity = names->capacity ? 2 * names->capacity : 16;

		more = realloc(names->entries, (size_t)capacity * sizeof *more);
		if (!more)
			return msg_fail(MSG_ERROR_MEMORY,
				"no memory for a list of brokers");
		names->entries = more;
		names->capacity = capacity;
	}
	entry = &names->entries[names->count++];
	memset(entry, 0, sizeof *entry);
	memcpy(entry->name, name, sizeof name);
	/* Whoever has a path too long listens nowhere. */
	if (snprintf(entry->path, MSG_PLACE_PATH_BYTES, "%s/%s.sock", folder,
		    name) >= (int)MSG_PLACE_PATH_BYTES)
		names->count--;
	return 0;
}

static int read_folder(struct names *names, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *file;
	int result = 0;

	if (!dir)
		return 0;
	while (result == 0 && names->count < NAMES_MAX &&
		(file = readdir(dir)) != NULL)
		result = note(names, folder, file->d_name);
	closedir(dir);
	return result;
}

static int by_name(const void *a, const void *b)
{
	const struct msg_broker_entry *one = a, *other = b;

	return strcmp(one->name, other->name);
}

int msg_broker_list(struct msg_broker_entry *entries, int count)
{
	char folders[MSG_PLACE_FOLDERS_MAX][MSG_PLACE_PATH_BYTES];
	int folder_count = msg_place_folders(folders);
	struct names names = {0};
	int result = 0;

	if (count < 0 || (count > 0 && !entries))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"entries must hold `count`, which is not below 0");
	for (int i = 0; i < folder_count && result == 0; i++)
		result = read_folder(&names, folders[i]);
	if (result == 0 && names.count > 0)
		qsort(names.entries, (size_t)names.count, sizeof *names.entries,
			by_name);
	for (int i = 0; i < names.count && i < count && result == 0; i++) {
		describe(&names.entries[i]);
		entries[i] = names.entries[i];
	}
	free(names.entries);
	return result < 0 ? result : names.count;
}
