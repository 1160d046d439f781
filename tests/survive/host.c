/* SPDX-License-Identifier: BSD-2-Clause */
/* host.c - see host.h. */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check_main.h"

#define ARGUMENTS_MAX 16
/* What a broker needs to start on a busy machine, sanitizer and all. */
#define START_NS 10000000000ull

static const char no_limits[] = "[quota]\n"
				"connections = 60000\n"
				"subscriptions = 60000\n"
				"publishers = 60000\n"
				"held_slots = 16Mi\n"
				"bytes = 1024Gi\n";

void sleep_us(uint64_t us)
{
	struct timespec t = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000) * 1000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* ---- life ---------------------------------------------------------------- */

void host_open(struct host *host, const char *config)
{
	FILE *file;

	*host = (struct host){.program = host->program};
	snprintf(host->folder, sizeof host->folder, "/tmp/msg-survive-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(host->folder));
	/* Other users of the test are to find the socket. */
	chmod(host->folder, 0755);
	snprintf(host->socket, sizeof host->socket, "%s/a.sock", host->folder);
	snprintf(host->config, sizeof host->config, "%s/conf", host->folder);
	snprintf(host->log, sizeof host->log, "%s/log", host->folder);
	file = fopen(host->config, "w");
	ck_assert_ptr_nonnull(file);
	if (!config || !strstr(config, "[quota]"))
		fputs(no_limits, file);
	fputs(config ? config : "", file);
	ck_assert_int_eq(fclose(file), 0);
}

static void remove_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder)
		closedir(folder);
	rmdir(path);
}

void host_close(struct host *host)
{
	if (host->broker > 0)
		host_end(host, SIGKILL);
	remove_folder(host->folder);
}

static void become_broker(const struct host *host)
{
	const char *program = host->program ? host->program : MSGBROKERD;
	const char *argv[ARGUMENTS_MAX] = {
		program, "--config", host->config, "--socket", host->socket,
		"--name", "survive",
	};
	int argc = 7;
	int log = open(host->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	struct rlimit limit = {host->descriptors, host->descriptors};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (host->descriptors > 0)
		setrlimit(RLIMIT_NOFILE, &limit);
	if (!host->arguments) {
		argv[argc++] = "--lane";
		argv[argc++] = "none";
	}
	for (int i = 0; host->arguments && host->arguments[i]; i++)
		argv[argc++] = host->arguments[i];
	argv[argc] = NULL;
	dup2(log, 2);
	dup2(log, 1);
	/* What a test holds is not the broker's. */
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	execv(program, (char *const *)argv);
	_exit(127);
}

void host_launch(struct host *host)
{
	ck_assert_int_eq(host->broker, 0);
	host->broker = fork();
	ck_assert_int_ge(host->broker, 0);
	if (host->broker == 0)
		become_broker(host);
}

bool host_is_bound(const struct host *host)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool bound;

	snprintf(to.sun_path, sizeof to.sun_path, "%s", host->socket);
	bound = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
	close(fd);
	return bound;
}

bool host_is_alive(struct host *host)
{
	if (host->broker > 0 && waitpid(host->broker, NULL, WNOHANG) != 0)
		host->broker = 0;
	return host->broker > 0;
}

static void show_log(const struct host *host)
{
	char text[4096];
	FILE *file = fopen(host->log, "r");
	size_t bytes = file ? fread(text, 1, sizeof text, file) : 0;

	fwrite(text, 1, bytes, stdout);
	if (file)
		fclose(file);
}

void host_start(struct host *host)
{
	uint64_t limit = now_ns() + START_NS;
	/* One with a network is bound some time before it serves. */
	unsigned starts = host->arguments
				  ? host_log_count(host, "info: started:") + 1
				  : 0;

	host_launch(host);
	while (!host_is_bound(host) ||
		host_log_count(host, "info: started:") < starts) {
		if (!host_is_alive(host) || now_ns() > limit) {
			show_log(host);
			ck_abort_msg("the broker does not start");
		}
		sleep_us(200);
	}
}

int host_end(struct host *host, int signal)
{
	int status = -1;

	ck_assert_int_gt(host->broker, 0);
	kill(host->broker, signal);
	while (waitpid(host->broker, &status, 0) < 0 && errno == EINTR)
		;
	host->broker = 0;
	return status;
}

unsigned host_log_count(const struct host *host, const char *text)
{
	FILE *file = fopen(host->log, "r");
	char line[1024];
	unsigned count = 0;

	while (file && fgets(line, sizeof line, file))
		count += strstr(line, text) != NULL;
	if (file)
		fclose(file);
	return count;
}

int host_node(const struct host *host, struct msg_node **node)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;

	options.broker = MSG_BROKER_REQUIRE;
	options.broker_name = host->socket;
	options.flags = host->flags;
	if (host->device) {
		options.broker = MSG_BROKER_NEVER;
		options.broker_name = NULL;
		options.device = host->device;
	}
	return msg_node_open(&options, node);
}

/* ---- looking at processes ------------------------------------------------ */

unsigned process_descriptors(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	unsigned count = 0;
	DIR *folder;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		count += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return count;
}

static unsigned each_line(pid_t pid, const char *name, const char *text,
	char *last, size_t bytes)
{
	char path[64], line[512];
	unsigned count = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof line, file)) {
		if (!strstr(line, text))
			continue;
		count++;
		snprintf(last, bytes, "%s", line);
	}
	if (file)
		fclose(file);
	return count;
}

uint64_t process_memory_kib(pid_t pid)
{
	static const char *const kinds[] = {"RssAnon:", "RssShmem:"};
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		char line[512] = "";

		each_line(pid, "status", kinds[i], line, sizeof line);
		if (*line)
			sum += strtoull(line + strlen(kinds[i]), NULL, 10);
	}
	return sum;
}

unsigned process_maps(pid_t pid, const char *text)
{
	char line[512];

	return each_line(pid, "maps", text, line, sizeof line);
}

uint64_t process_queued_ns(pid_t pid)
{
	char folder_path[64], path[350];
	struct dirent *entry;
	uint64_t sum = 0;
	DIR *folder;

	snprintf(folder_path, sizeof folder_path, "/proc/%d/task", (int)pid);
	folder = opendir(folder_path);
	while (folder && (entry = readdir(folder))) {
		unsigned long long ran, queued;
		FILE *file;

		snprintf(path, sizeof path, "%s/%s/schedstat", folder_path,
			entry->d_name);
		file = *entry->d_name != '.' ? fopen(path, "r") : NULL;
		if (file && fscanf(file, "%llu %llu", &ran, &queued) == 2)
			sum += queued;
		if (file)
			fclose(file);
	}
	if (folder)
		closedir(folder);
	return sum;
}
