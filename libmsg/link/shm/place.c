/* SPDX-License-Identifier: BSD-2-Clause */
/* place.c - where the broker of a name listens; see place.h. */
#include "link/shm/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"

#define SYSTEM_FOLDER "/run"
#define NAME_BYTES                                                             \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

_Static_assert(
	sizeof(((struct sockaddr_un *)0)->sun_path) == MSG_PLACE_PATH_BYTES,
	"a place is as long as a socket's address may be");

/* What a refused name may hold is not for a terminal. */
static int refuse_name(const char *name)
{
	size_t bytes = strlen(name), good = strspn(name, NAME_BYTES);

	if (name[0] == '.')
		return msg_fail(MSG_ERROR_ARGUMENT,
			"a broker's name may not begin with a dot; an absolute "
			"path may stand for it");
	if (good < bytes)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"a broker's name may hold letters, digits and . _ - "
			"only, and byte %zu of it is 0x%02x; or give the "
			"absolute path of its socket",
			good, (unsigned char)name[good]);
	return msg_fail(MSG_ERROR_ARGUMENT,
		"a broker's name may have up to %u bytes, and this one has "
		"%zu",
		MSG_PLACE_NAME_BYTES_MAX, bytes);
}

static bool is_name(const char *name)
{
	size_t bytes = strlen(name);

	return name[0] != '.' && bytes <= MSG_PLACE_NAME_BYTES_MAX &&
	       strspn(name, NAME_BYTES) == bytes;
}

static int too_long(size_t bytes, const char *what)
{
	return msg_fail(MSG_ERROR_ARGUMENT,
		"%s: the path of a socket may have up to %u bytes, and this "
		"one has %zu; choose a shorter one",
		what, MSG_PLACE_PATH_BYTES - 1, bytes);
}

/* Whether the name is a path, or a name to be looked up; *result if neither, or
 * if it is done. */
static bool is_settled(
	const char **name, char path[MSG_PLACE_PATH_BYTES], int *result)
{
	size_t bytes;

	if (!*name || !**name)
		*name = MSG_PLACE_NAME_DEFAULT;
	bytes = strlen(*name);
	*result = 0;
	if (**name != '/') {
		if (is_name(*name))
			return false;
		*result = refuse_name(*name);
	} else if (bytes >= MSG_PLACE_PATH_BYTES) {
		*result = too_long(bytes, "broker");
	} else {
		memcpy(path, *name, bytes + 1);
	}
	return true;
}

/* The user's own folder for sockets; NULL if there is none. */
static const char *user_folder(void)
{
	const char *folder = secure_getenv("XDG_RUNTIME_DIR");

	return folder && folder[0] == '/' ? folder : NULL;
}

/* Returns the bytes of the path, which was cut if they are too many. */
static size_t join(
	char path[MSG_PLACE_PATH_BYTES], const char *folder, const char *name)
{
	return (size_t)snprintf(
		path, MSG_PLACE_PATH_BYTES, "%s/msg/%s.sock", folder, name);
}

static bool is_socket(const char *path)
{
	struct stat about;

	return stat(path, &about) == 0 && S_ISSOCK(about.st_mode);
}

int msg_place_client(const char *name, char path[MSG_PLACE_PATH_BYTES])
{
	const char *folder = user_folder();
	char found[MSG_PLACE_PATH_BYTES];
	int result;

	if (is_settled(&name, path, &result))
		return result;
	/* Where a path is too long no broker can listen. */
	if (!folder || join(found, folder, name) >= sizeof found ||
		!is_socket(found))
		join(found, SYSTEM_FOLDER, name);
	memcpy(path, found, sizeof found);
	return 0;
}

int msg_place_broker(const char *name, char path[MSG_PLACE_PATH_BYTES])
{
	const char *folder = geteuid() == 0 ? SYSTEM_FOLDER : user_folder();
	char found[MSG_PLACE_PATH_BYTES];
	size_t bytes;
	int result;

	if (is_settled(&name, path, &result))
		return result;
	if (!folder)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"there is no folder for the socket: set "
			"XDG_RUNTIME_DIR to an absolute path, or give the "
			"socket's own path as the broker's name");
	bytes = join(found, folder, name);
	if (bytes >= sizeof found)
		return too_long(bytes, "XDG_RUNTIME_DIR");
	memcpy(path, found, sizeof found);
	return 0;
}

int msg_place_folders(
	char folders[MSG_PLACE_FOLDERS_MAX][MSG_PLACE_PATH_BYTES])
{
	const char *user = user_folder();
	int count = 0;

	/* No broker can listen where a path is too long. */
	if (user && strlen(user) + sizeof "/msg" <= MSG_PLACE_PATH_BYTES)
		snprintf(folders[count++], MSG_PLACE_PATH_BYTES, "%s/msg",
			user);
	snprintf(folders[count++], MSG_PLACE_PATH_BYTES, "%s/msg",
		SYSTEM_FOLDER);
	return count;
}

void msg_place_beside(const char *path, const char *suffix,
	char beside[MSG_PLACE_BESIDE_BYTES])
{
	size_t bytes = strlen(path);

	if (bytes > 5 && strcmp(path + bytes - 5, ".sock") == 0)
		bytes -= 5;
	snprintf(beside, MSG_PLACE_BESIDE_BYTES, "%.*s%s", (int)bytes, path,
		suffix);
}

/* ---- connecting -------------------------------------------------------- */

static int cannot_connect(const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return msg_fail(MSG_ERROR_DEVICE,
			"no broker at %s; start msgbrokerd, or choose one that "
			"'msg list --brokers' shows",
			path);
	case ECONNREFUSED:
		if (!is_socket(path))
			return msg_fail(MSG_ERROR_DEVICE,
				"%s is no socket; give the path of a broker's, "
				"or its name",
				path);
		return msg_fail(MSG_ERROR_DEVICE,
			"nobody listens at %s: the broker ended; start "
			"msgbrokerd",
			path);
	case EACCES:
	case EPERM:
		return msg_fail(MSG_ERROR_FABRIC,
			"this user may not connect to the broker at %s; ask "
			"who runs it to let you in",
			path);
	case EAGAIN:
		return msg_fail(MSG_ERROR_AGAIN,
			"too many are connecting to the broker at %s; try "
			"again",
			path);
	case EMFILE:
	case ENFILE:
		return msg_fail(MSG_ERROR_MEMORY,
			"no descriptor is left for the broker at %s; raise the "
			"limit of open files (ulimit -n)",
			path);
	case EPROTOTYPE:
	case ENOTSOCK:
		return msg_fail(MSG_ERROR_FABRIC,
			"%s is a socket of something else than a broker", path);
	default:
		return msg_fail(MSG_ERROR_FABRIC,
			"cannot connect to the broker at %s: %s", path,
			strerror(error));
	}
}

int msg_place_connect(const char *path, int *fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t bytes = strlen(path);
	int made, error;

	if (bytes >= sizeof address.sun_path)
		return too_long(bytes, "broker");
	memcpy(address.sun_path, path, bytes + 1);
	made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (made < 0)
		return cannot_connect(path, errno);
	/* Never in progress: a Unix socket connects at once or not at all. */
	if (connect(made, (struct sockaddr *)&address, sizeof address) == 0) {
		*fd = made;
		return 0;
	}
	error = errno;
	close(made);
	return cannot_connect(path, error);
}

/* The letter that the kernel has for what a process does; 0: unknown. */
static char process_state(pid_t pid)
{
	char path[64], text[512];
	const char *name_end;
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	bytes = read(fd, text, sizeof text - 1);
	close(fd);
	if (bytes <= 0)
		return 0;
	text[bytes] = '\0';
	/* Behind the program's name, which may hold anything. */
	name_end = strrchr(text, ')');
	return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

bool msg_place_is_stopped(int fd)
{
	struct ucred listener = {0};
	socklen_t bytes = sizeof listener;
	char state;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &bytes) < 0 ||
		listener.pid <= 0)
		return false;
	state = process_state(listener.pid);
	return state == 'T' || state == 't';
}
