/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * place.h - where the broker of a name listens.
 *
 * Processes that give the same name share one broker.  A name is 1 to 64 bytes
 * of A-Z a-z 0-9 . _ - and does not begin with a dot; or it is the absolute
 * path of a socket, and then that is where.
 *
 *     a client tries     $XDG_RUNTIME_DIR/msg/NAME.sock if that is a socket,
 *                        else /run/msg/NAME.sock
 *     a broker takes     /run/msg/NAME.sock if root runs it,
 *                        else $XDG_RUNTIME_DIR/msg/NAME.sock
 *
 * A relative XDG_RUNTIME_DIR counts as none, as its specification says; so does
 * any in a set-uid program.
 *
 * Used by broker/, topic/ and api/.  Test: tests/unit/link/shm/test_place.c.
 */
#ifndef MSG_LINK_SHM_PLACE_H
#define MSG_LINK_SHM_PLACE_H

#include <stdbool.h>

#define MSG_PLACE_NAME_DEFAULT "default"
#define MSG_PLACE_NAME_BYTES_MAX 64u
#define MSG_PLACE_PATH_BYTES 108u /* Of sun_path, its final zero included. */

/* Where a client should connect; `name` NULL or "" is the default name.
 * Returns 0; -MSG_ERROR_ARGUMENT (not a name, or a path too long) with the
 * reason on the trail.  `path` is written only on success. */
int msg_place_client(const char *name, char path[MSG_PLACE_PATH_BYTES]);

/* Where a broker should listen; the folder may not exist yet.  Otherwise as
 * msg_place_client; it is also refused where there is no folder to choose. */
int msg_place_broker(const char *name, char path[MSG_PLACE_PATH_BYTES]);

/* The folders in which brokers listen, in the order in which a client looks;
 * returns how many. */
#define MSG_PLACE_FOLDERS_MAX 2
int msg_place_folders(
	char folders[MSG_PLACE_FOLDERS_MAX][MSG_PLACE_PATH_BYTES]);

/* Where the counters of the broker lie whose socket is `path`, or any other
 * file beside it: "NAME.stats" for "NAME.sock". */
#define MSG_PLACE_BESIDE_BYTES (MSG_PLACE_PATH_BYTES + 8)
void msg_place_beside(const char *path, const char *suffix,
	char beside[MSG_PLACE_BESIDE_BYTES]);

/* Connect to the socket at `path`; *fd is close-on-exec and non-blocking.
 * Returns 0, and *fd is the caller's to close; -MSG_ERROR_DEVICE: nobody is
 * there; -MSG_ERROR_FABRIC: somebody is, and we may not, or it is no socket of
 * a broker; -MSG_ERROR_AGAIN: too many are at its door just now;
 * -MSG_ERROR_MEMORY; -MSG_ERROR_ARGUMENT: the path is too long; each with the
 * reason and the next step on the trail. */
int msg_place_connect(const char *path, int *fd);

/* Whether whoever listened when that was connected is stopped now, by a signal
 * or a debugger, and so will not answer.  False where that cannot be seen. */
bool msg_place_is_stopped(int fd);

#endif
