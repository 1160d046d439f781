/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.h - frames with descriptors over a Unix stream socket, never blocking.
 *
 *     byte 0   length    u32 LE: of the frame, this header included, 8 to 65536
 *          4   kind      u16 LE: enum msg_control_kind
 *          6   fd_count  u16 LE: descriptors that travel with byte 0, 0 to 3
 *          8   body
 *
 * Both sides use it.  The peer is hostile: a frame is bounded, descriptors that
 * come too many, too few, or anywhere but with the first byte of the frame that
 * says so are closed and end the connection.  To be sure which frame they
 * belong to, no read crosses from one frame into the next; that costs two
 * system calls a frame, and a control connection carries few.
 *
 * What failed stays failed, and every call says so again; but a connection that
 * can no longer send may still have something to receive: the peer may have
 * said why before it hung up.  One thread at a time.
 *
 * Used by broker/, topic/ and api/.  Test: tests/unit/link/shm/test_socket.c.
 */
#ifndef MSG_LINK_SHM_SOCKET_H
#define MSG_LINK_SHM_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/shm/control.h"

/* What may wait to be sent: any one frame fits an empty queue. */
#define MSG_SOCKET_QUEUE_BYTES (2 * MSG_CONTROL_FRAME_BYTES_MAX)
#define MSG_SOCKET_QUEUE_PASSES 64u /* Frames with descriptors. */

struct msg_socket;

/* Take over a connected stream socket: close-on-exec and non-blocking from here
 * on, closed by msg_socket_close.  On failure it stays the caller's.
 * Returns 0; -MSG_ERROR_MEMORY with the reason on the trail. */
int msg_socket_open(int fd, struct msg_socket **socket);

/* Close, with what was not sent; NULL is allowed. */
void msg_socket_close(struct msg_socket *socket);

/* The descriptor, for poll and SO_PEERCRED. */
int msg_socket_fd(const struct msg_socket *socket);

/* Queue a frame and send what can be sent.  The descriptors stay the caller's,
 * who may close them once this returns: those that must wait are duplicated.
 * Returns 0 (sent or queued); -MSG_ERROR_AGAIN (the queue is full: nothing was
 * queued; what to do with a peer that does not read is the caller's policy),
 * -MSG_ERROR_FABRIC (the peer is gone), -MSG_ERROR_MEMORY (no descriptor is
 * left to wait with: nothing was queued); with the reason on the trail. */
int msg_socket_send(struct msg_socket *socket, unsigned kind,
	const uint8_t *body, size_t bytes, const int *fds, unsigned fd_count);

/* Pack a message and send it; otherwise as msg_socket_send. */
int msg_socket_say(struct msg_socket *socket, const struct msg_control *control,
	const int *fds, unsigned fd_count);

/* Send what is queued, as far as it goes.  Returns 0; -MSG_ERROR_FABRIC. */
int msg_socket_flush(struct msg_socket *socket);

/* Whether to wait for POLLOUT and then flush.  False also while the kernel
 * refuses to carry more descriptors for this user (ETOOMANYREFS), which no poll
 * reports: flush now and then as well. */
bool msg_socket_wants_write(const struct msg_socket *socket);

/* Whether anything is queued. */
bool msg_socket_is_waiting(const struct msg_socket *socket);

/* Receive a frame.  Its body is valid until the next call on this socket, its
 * descriptors are the caller's (msg_control_frame_close).
 * Returns 1 (a frame), 0 (none now); -MSG_ERROR_FABRIC (the peer is gone),
 * -MSG_ERROR_ARGUMENT (the peer broke the rules: hang up), -MSG_ERROR_MEMORY
 * (descriptors were lost, too many are open here); with the reason on the
 * trail.  Only 1 writes *frame. */
int msg_socket_receive(
	struct msg_socket *socket, struct msg_control_frame *frame);

/* Send what is queued and wait for a frame until `deadline_ns` of
 * msg_clock_ns(), for clients that have nothing else to do.  Interrupting
 * signals do not end it.
 * Returns 1; -MSG_ERROR_TIMEOUT, and as msg_socket_receive. */
int msg_socket_wait(struct msg_socket *socket, uint64_t deadline_ns,
	struct msg_control_frame *frame);

#endif
