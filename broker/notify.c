/* SPDX-License-Identifier: BSD-2-Clause */
/* notify.c - a service manager's two small protocols; see notify.h. */
#include "broker/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/trail.h"

#include <msg/msg.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define PERIOD_US_MAX (1000000ull * 86400 * 365)

static int manager = -1;
static uint64_t period_ns, last_alive_ns;

/* A whole number in [0, most]; false when `text` is anything else. */
static bool parse(const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *value <= most;
}

/* Whether the variable `name` is missing or holds our pid. */
static bool means_us(const char *name, bool if_missing)
{
	const char *text = getenv(name);
	uint64_t pid;

	if (!text)
		return if_missing;
	return parse(text, INT32_MAX, &pid) && pid == (uint64_t)getpid();
}

/* "/path", or "@name" of the abstract name space. */
static int connect_manager(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t bytes = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || bytes < 2 ||
		bytes >= sizeof address.sun_path)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"NOTIFY_SOCKET='%.120s' is no socket; give /PATH or "
			"@NAME of 2 to %zu bytes, or unset it",
			path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, bytes);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager < 0 ||
		connect(manager, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    bytes)) < 0) {
		int error = errno;

		notify_close();
		return msg_fail(MSG_ERROR_ARGUMENT,
			"cannot reach the service manager at "
			"NOTIFY_SOCKET='%s': %s; unset it to do without",
			path, strerror(error));
	}
	return 0;
}

static int read_watchdog(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t us;

	if (!text || !means_us("WATCHDOG_PID", true))
		return 0;
	if (!parse(text, PERIOD_US_MAX, &us) || us == 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"WATCHDOG_USEC='%.40s' is no time in microseconds; "
			"unset it to do without a watchdog",
			text);
	period_ns = us * MSG_NS_PER_US / 2;
	return 0;
}

int notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int result = path ? connect_manager(path) : 0;

	if (result == 0 && manager >= 0)
		result = read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return result;
}

void notify_close(void)
{
	if (manager >= 0)
		close(manager);
	manager = -1;
	period_ns = last_alive_ns = 0;
}

/* A manager that does not listen any more is no reason to stop serving. */
static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
	char text[MSG_TRAIL_BYTES];
	va_list args;
	int count;

	if (manager < 0)
		return;
	va_start(args, format);
	count = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (count >= (int)sizeof text)
		count = (int)sizeof text - 1;
	if (send(manager, text, (size_t)count, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

void notify_ready(const char *status)
{
	tell("READY=1\nSTATUS=%s", status);
}

void notify_stopping(void)
{
	tell("STOPPING=1");
}

uint64_t notify_period_ns(void)
{
	return period_ns;
}

void notify_alive(uint64_t now_ns)
{
	if (period_ns == 0 ||
		(last_alive_ns != 0 && now_ns - last_alive_ns < period_ns / 2))
		return;
	last_alive_ns = now_ns;
	tell("WATCHDOG=1");
}

/* ---- sockets it opened for us ------------------------------------------- */

static int option(int fd, int name)
{
	int value = -1;
	socklen_t bytes = sizeof value;

	if (getsockopt(fd, SOL_SOCKET, name, &value, &bytes) < 0)
		return -1;
	return value;
}

int notify_take_socket(int *fd)
{
	const char *text = getenv("LISTEN_FDS");
	bool ours = text && means_us("LISTEN_PID", false);
	uint64_t count = 0;
	int flags;

	if (ours && (!parse(text, INT32_MAX, &count) || count != 1))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"LISTEN_FDS='%.40s': the service manager must hand "
			"over exactly one socket; write one ListenStream=",
			text);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	*fd = -1;
	if (!ours)
		return 0;
	if (option(FIRST_FD, SO_DOMAIN) != AF_UNIX ||
		option(FIRST_FD, SO_TYPE) != SOCK_STREAM ||
		option(FIRST_FD, SO_ACCEPTCONN) != 1)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"descriptor 3 of the service manager is no listening "
			"Unix stream socket; write ListenStream=/PATH");
	flags = fcntl(FIRST_FD, F_GETFL);
	if (flags < 0 || fcntl(FIRST_FD, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"cannot prepare descriptor 3 of the service manager: "
			"%s",
			strerror(errno));
	*fd = FIRST_FD;
	return 0;
}
