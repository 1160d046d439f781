/* SPDX-License-Identifier: BSD-2-Clause */
/* listen.c - the lock, then the socket; see listen.h. */
#include "broker/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/log.h"

#include "base/trail.h"

#define BACKLOG 128 /* More wait in connect(2). */
#define PID_BYTES 32

/* The parts of a socket's path. */
struct place {
	char folder[LISTEN_PATH_BYTES];
	const char *file; /* In the path. */
	char lock[LISTEN_PATH_BYTES + 8];
};

#define refuse(...) msg_fail(MSG_ERROR_DEVICE, __VA_ARGS__)

static void split_path(struct place *place, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t bytes = strlen(slash + 1);

	place->file = slash + 1;
	snprintf(place->folder, sizeof place->folder, "%.*s",
		slash == path ? 1 : (int)(slash - path), path);
	/* NAME.sock has NAME.lock beside it. */
	if (bytes > 5 && strcmp(slash + 1 + bytes - 5, ".sock") == 0)
		bytes -= 5;
	snprintf(place->lock, sizeof place->lock, "%.*s.lock", (int)bytes,
		slash + 1);
}

/* ---- the folder ----------------------------------------------------------- */

static int check_folder(int fd, const char *folder)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return refuse("cannot look at the folder %s: %s", folder,
			strerror(errno));
	if (S_ISLNK(status.st_mode))
		return refuse("the folder %s is a symbolic link; name the "
			      "folder it leads to with --socket",
			folder);
	if (!S_ISDIR(status.st_mode))
		return refuse("%s is no folder; move it away, or give another "
			      "--socket",
			folder);
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return refuse("the folder %s belongs to uid %u, who could "
			      "exchange the socket; it must be root's or "
			      "yours (uid %u)",
			folder, status.st_uid, geteuid());
	if (status.st_mode & S_IWOTH)
		return refuse("everybody may write to the folder %s (mode "
			      "%04o), and so exchange the socket; run chmod "
			      "o-w, or give another --socket",
			folder, status.st_mode & 07777);
	return 0;
}

static int open_folder(struct listening *listening, const char *folder)
{
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return refuse("cannot make the folder %s: %s; make it, or "
			      "give another --socket",
			folder, strerror(errno));
	listening->folder_fd = open(folder, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (listening->folder_fd < 0)
		return refuse("cannot open the folder %s: %s; give another "
			      "--socket",
			folder, strerror(errno));
	return check_folder(listening->folder_fd, folder);
}

/* ---- the lock ------------------------------------------------------------- */

/* The pid in a lock file, if such a process lives; else 0: a winner writes it
 * a moment after it locked, over the pid of one that may be long gone. */
static pid_t read_pid(int fd)
{
	char text[PID_BYTES] = "";
	long pid;

	if (pread(fd, text, sizeof text - 1, 0) <= 0)
		return 0;
	pid = strtol(text, NULL, 10);
	if (pid <= 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
		return 0;
	return (pid_t)pid;
}

static int name_taken(int fd, const char *name)
{
	const struct timespec moment = {.tv_nsec = 10 * 1000000};
	pid_t pid = read_pid(fd);

	for (int i = 0; pid == 0 && i < 100; i++) {
		nanosleep(&moment, NULL);
		pid = read_pid(fd);
	}
	return msg_fail(MSG_ERROR_BUSY,
		"another msgbrokerd (pid %d) has the name '%s'; use that one, "
		"stop it, or give another --name",
		(int)pid, name);
}

static int write_pid(int fd, const char *path)
{
	char text[PID_BYTES];
	int bytes = snprintf(text, sizeof text, "%d\n", (int)getpid());

	errno = 0;
	/* First over the old one, so that there is a pid at any time. */
	if (pwrite(fd, text, (size_t)bytes, 0) != bytes ||
		ftruncate(fd, bytes) < 0)
		return refuse("cannot write our pid to %s: %s; make room "
			      "there, or give another --socket",
			path, strerror(errno ? errno : ENOSPC));
	return 0;
}

static int check_lock(int fd, const char *path)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
		status.st_nlink > 1)
		return refuse("the lock file %s is no file of its own; remove "
			      "it",
			path);
	if (status.st_uid != geteuid())
		return refuse("the lock file %s belongs to uid %u, not to you "
			      "(uid %u); remove it, or give another --name",
			path, status.st_uid, geteuid());
	if ((status.st_mode & 077) && fchmod(fd, 0600) < 0)
		return refuse("cannot keep others from locking %s: %s", path,
			strerror(errno));
	return 0;
}

static int take_lock(struct listening *listening, const struct place *place,
	const char *name)
{
	char path[sizeof place->folder + sizeof place->lock];
	int result;

	snprintf(path, sizeof path, "%s/%s", place->folder, place->lock);
	listening->lock_fd = openat(listening->folder_fd, place->lock,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (listening->lock_fd < 0 && errno == ELOOP)
		return refuse(
			"the lock file %s is a symbolic link; remove it", path);
	if (listening->lock_fd < 0)
		return refuse("cannot make the lock file %s: %s; see to that "
			      "folder, or give another --socket",
			path, strerror(errno));
	result = check_lock(listening->lock_fd, path);
	if (result < 0)
		return result;
	if (flock(listening->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? name_taken(listening->lock_fd, name)
			       : refuse("cannot lock %s: %s", path,
					 strerror(errno));
	listening->locked = true;
	return write_pid(listening->lock_fd, path);
}

/* ---- the socket ----------------------------------------------------------- */

static void set_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path));
}

/* Whether somebody listens at the socket we found there, who never took the
 * lock: another program, or a service manager on a broker's behalf. */
static int check_deaf(const char *path)
{
	struct sockaddr_un address;
	struct ucred owner = {0};
	socklen_t bytes = sizeof owner;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failed;

	set_address(&address, path);
	/* EAGAIN: more wait there already; EPROTOTYPE: it is of datagrams. */
	failed = fd < 0 || (connect(fd, (struct sockaddr *)&address,
				    sizeof address) < 0 &&
				   errno != EAGAIN && errno != EPROTOTYPE);
	if (!failed)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &bytes);
	if (fd >= 0)
		close(fd);
	if (failed)
		return 0;
	return msg_fail(MSG_ERROR_BUSY,
		"another program (pid %d) listens at %s; if it is the service "
		"manager, start the service instead; else give another --name",
		(int)owner.pid, path);
}

/* Remove what a broker that was killed left behind; nothing else. */
static int clear_place(
	const struct listening *listening, const struct place *place)
{
	const char *path = listening->path;
	struct stat status;
	int result;

	if (fstatat(listening->folder_fd, place->file, &status,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : refuse("cannot look at %s: %s", path,
						 strerror(errno));
	if (S_ISLNK(status.st_mode))
		return refuse("%s is a symbolic link, which nobody should "
			      "follow; remove it",
			path);
	if (!S_ISSOCK(status.st_mode))
		return refuse("%s is no socket; move it away, or give another "
			      "--socket",
			path);
	if (status.st_uid != geteuid())
		return refuse("the socket %s belongs to uid %u, not to you "
			      "(uid %u); remove it, or give another --name",
			path, status.st_uid, geteuid());
	result = check_deaf(path);
	if (result < 0)
		return result;
	if (unlinkat(listening->folder_fd, place->file, 0) < 0)
		return refuse("cannot remove the stale socket %s: %s", path,
			strerror(errno));
	log_say(LOG_STALE_SOCKET,
		"replaced the socket %s of a broker that "
		"ended without cleaning up",
		path);
	return 0;
}

/* Bind, with its mode from the first moment on: the kernel takes it from the
 * socket's own inode, less the umask. */
static int bind_socket(struct listening *listening, mode_t mode)
{
	struct sockaddr_un address;
	mode_t mask = umask(0);
	int result = 0;

	set_address(&address, listening->path);
	if (fchmod(listening->fd, mode) < 0 ||
		bind(listening->fd, (struct sockaddr *)&address,
			sizeof address) < 0)
		result = refuse("cannot make the socket %s: %s; see to that "
				"folder, or give another --socket",
			listening->path, strerror(errno));
	umask(mask);
	return result;
}

/* Remember which file is ours; it must be in the folder that was checked. */
static int know_socket(struct listening *listening, const char *file)
{
	struct stat status;

	if (fstatat(listening->folder_fd, file, &status, AT_SYMLINK_NOFOLLOW) <
			0 ||
		!S_ISSOCK(status.st_mode))
		return refuse("the socket %s is gone again; somebody else "
			      "works in that folder",
			listening->path);
	listening->device = status.st_dev;
	listening->inode = status.st_ino;
	return 0;
}

static int make_socket(struct listening *listening, const struct place *place,
	const struct config *config)
{
	gid_t gid = config_socket_gid(config);
	int result = clear_place(listening, place);

	if (result < 0)
		return result;
	listening->fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listening->fd < 0)
		return refuse("cannot make a socket: %s", strerror(errno));
	result = bind_socket(
		listening, (mode_t)config_number(config, CONFIG_SOCKET_MODE));
	if (result == 0)
		result = know_socket(listening, place->file);
	if (result < 0)
		return result;
	if (gid != (gid_t)-1 &&
		fchownat(listening->folder_fd, place->file, (uid_t)-1, gid,
			AT_SYMLINK_NOFOLLOW) < 0)
		return refuse("cannot give %s to socket_group (gid %u): %s; "
			      "be root or in that group",
			listening->path, gid, strerror(errno));
	if (listen(listening->fd, BACKLOG) < 0)
		return refuse("cannot listen at %s: %s", listening->path,
			strerror(errno));
	return 0;
}

/* Where a service manager's socket is. */
static int adopted_path(struct listening *listening)
{
	struct sockaddr_un address = {0};
	socklen_t bytes = sizeof address;
	size_t length;

	if (getsockname(listening->fd, (struct sockaddr *)&address, &bytes) < 0)
		return refuse("cannot ask where the service manager's socket "
			      "is: %s",
			strerror(errno));
	length = strnlen(address.sun_path, sizeof address.sun_path);
	if (address.sun_path[0] != '/' || length == sizeof address.sun_path)
		return refuse("the service manager's socket has no place in "
			      "the file system; write ListenStream=/PATH");
	memcpy(listening->path, address.sun_path, length + 1);
	return 0;
}

/* ---- both ----------------------------------------------------------------- */

static int open_all(struct listening *listening, const struct config *config)
{
	const char *name = config_text(config, CONFIG_NAME);
	struct place place;
	int result = 0;

	if (listening->adopted)
		result = adopted_path(listening);
	else
		snprintf(listening->path, sizeof listening->path, "%s",
			config_text(config, CONFIG_SOCKET));
	if (result < 0)
		return result;
	split_path(&place, listening->path);
	result = open_folder(listening, place.folder);
	if (result == 0)
		result = take_lock(listening, &place, name);
	if (result == 0 && !listening->adopted)
		result = make_socket(listening, &place, config);
	return result;
}

int listen_open(struct listening *listening, const struct config *config,
	int adopted_fd)
{
	int result;

	*listening = (struct listening){
		.fd = adopted_fd,
		.lock_fd = -1,
		.folder_fd = -1,
		.adopted = adopted_fd >= 0,
	};
	result = open_all(listening, config);
	if (result < 0)
		listen_close(listening);
	return result;
}

/* The socket file, if it is the one we made. */
static void remove_socket(const struct listening *listening)
{
	const char *file = strrchr(listening->path, '/');
	struct stat status;

	if (listening->adopted || listening->inode == 0 || !file ||
		fstatat(listening->folder_fd, file + 1, &status,
			AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (status.st_dev == listening->device &&
		status.st_ino == listening->inode)
		unlinkat(listening->folder_fd, file + 1, 0);
}

void listen_close(struct listening *listening)
{
	remove_socket(listening);
	if (listening->fd >= 0)
		close(listening->fd);
	if (listening->folder_fd >= 0)
		close(listening->folder_fd);
	/* Last: the name is free now.  A pid left behind would do no harm. */
	if (listening->locked && ftruncate(listening->lock_fd, 0) < 0)
		listening->locked = false;
	if (listening->lock_fd >= 0)
		close(listening->lock_fd);
	listening->fd = listening->folder_fd = listening->lock_fd = -1;
	listening->locked = false;
}
