/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.h - what each user of the host takes from the broker, and how much
 * he may.
 *
 * All processes of a uid share one account, so a user gains nothing by
 * starting more of them.  Whoever hands something out charges it first and
 * releases it when it comes back; a charge is made whole or not at all.  The
 * table is fixed: a user beyond it is refused, none is forgotten while he
 * holds something.  Refusals are counted, so that whoever tries again and
 * again is seen by name.
 *
 * Callers: server.c and what it serves.  Limits come from config.c, section
 * [quota].  One thread.  Test: tests/unit/broker/test_account.c.
 */
#ifndef BROKER_ACCOUNT_H
#define BROKER_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCOUNT_USERS_MAX 256u /* Uids that hold something at a time. */

/* X(enumerator, key in [quota], default, least, most, what it counts) */
#define ACCOUNT_KINDS(X)                                                       \
	X(CONNECTIONS, "connections", 512, 1, 65536, "connections")             \
	X(SUBSCRIPTIONS, "subscriptions", 512, 0, 65536, "subscriptions")       \
	X(PUBLISHERS, "publishers", 128, 0, 65536, "publishers")                \
	X(HELD_SLOTS, "held_slots", 65536, 0, 1u << 24, "held slots")           \
	X(BYTES, "bytes", 1ull << 30, 0, 1ull << 40, "bytes of memory")

enum account_kind {
#define ACCOUNT_ENUM(id, key, normal, least, most, what) ACCOUNT_##id,
	ACCOUNT_KINDS(ACCOUNT_ENUM)
#undef ACCOUNT_ENUM
	ACCOUNT_KIND_COUNT
};

/* What a user may hold, by enum account_kind. */
struct account_limits {
	uint64_t most[ACCOUNT_KIND_COUNT];
	bool root_exempt; /* Uid 0 is counted but never refused. */
};

/* A user, as listed. */
struct account_info {
	uid_t uid;
	uint64_t held[ACCOUNT_KIND_COUNT];
	uint64_t refused[ACCOUNT_KIND_COUNT]; /* Charges refused. */
};

struct accounts;

/* `limits` is copied.  0, or -MSG_ERROR_MEMORY with the trail. */
int accounts_open(
	struct accounts **accounts, const struct account_limits *limits);

/* NULL is allowed; whatever is still charged is forgotten. */
void accounts_close(struct accounts *accounts);

/* Charge `n` more of a kind to a user.  0, or -MSG_ERROR_BUSY when he would
 * hold more than he may, or more than ACCOUNT_USERS_MAX users would hold
 * something; the trail then says which limit, its value and the key that
 * raises it, in words fit for the client to read. */
int account_charge(struct accounts *accounts, uid_t uid,
	enum account_kind kind, uint64_t n);

/* Give back `n` of what was charged; more is a bug, and asserted. */
void account_release(struct accounts *accounts, uid_t uid,
	enum account_kind kind, uint64_t n);

/* What a user may still have of a kind; UINT64_MAX: as much as he likes. */
uint64_t account_left(
	const struct accounts *accounts, uid_t uid, enum account_kind kind);

/* What a user holds of a kind. */
uint64_t account_held(
	const struct accounts *accounts, uid_t uid, enum account_kind kind);

/* Users known, up to `capacity` of them into `infos`, in no order; returns how
 * many there are.  A user who holds nothing stays listed, for his refusals,
 * until another needs the place. */
size_t accounts_list(const struct accounts *accounts,
	struct account_info *infos, size_t capacity);

/* Charges refused because no place for another user was left. */
uint64_t accounts_users_refused(const struct accounts *accounts);

/* The key of a kind in [quota]: "held_slots". */
const char *account_key(enum account_kind kind);

#endif
