/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.c - the books; see account.h.
 *
 * Uids stand in an array of their own, so that finding one reads a few cache
 * lines; the user of the last call most often comes again.
 */
#include "broker/account.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/trail.h"

#include <msg/msg.h>

struct account {
	uint64_t held[ACCOUNT_KIND_COUNT];
	uint64_t refused[ACCOUNT_KIND_COUNT];
};

struct accounts {
	struct account_limits limits;
	uint64_t users_refused;
	uint32_t count;
	uint32_t last; /* Where the last call found its user. */
	uid_t uids[ACCOUNT_USERS_MAX];
	struct account users[ACCOUNT_USERS_MAX];
};

static const struct {
	const char *key;
	const char *what;
} kinds[ACCOUNT_KIND_COUNT] = {
#define ACCOUNT_WORDS(id, key, normal, least, most, what) {key, what},
	ACCOUNT_KINDS(ACCOUNT_WORDS)
#undef ACCOUNT_WORDS
};

int accounts_open(
	struct accounts **accounts, const struct account_limits *limits)
{
	struct accounts *made = calloc(1, sizeof *made);

	if (!made)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory for the accounts of %u users; give the "
			"machine more",
			ACCOUNT_USERS_MAX);
	made->limits = *limits;
	*accounts = made;
	return 0;
}

void accounts_close(struct accounts *accounts)
{
	free(accounts);
}

/* Where a user stands; `count` when he does not. */
static uint32_t find(const struct accounts *accounts, uid_t uid)
{
	uint32_t at;

	if (accounts->last < accounts->count &&
		accounts->uids[accounts->last] == uid)
		return accounts->last;
	for (at = 0; at < accounts->count; at++)
		if (accounts->uids[at] == uid)
			break;
	return at;
}

static bool holds_nothing(const struct account *user)
{
	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
		if (user->held[i] > 0)
			return false;
	return true;
}

/* A place for one more user, or NULL. */
static struct account *place(struct accounts *accounts, uid_t uid)
{
	uint32_t at = accounts->count;

	if (at == ACCOUNT_USERS_MAX)
		for (at = 0; at < ACCOUNT_USERS_MAX; at++)
			if (holds_nothing(&accounts->users[at]))
				break;
	if (at == ACCOUNT_USERS_MAX)
		return NULL;
	if (at == accounts->count)
		accounts->count++;
	accounts->uids[at] = uid;
	accounts->users[at] = (struct account){.held = {0}};
	accounts->last = at;
	return &accounts->users[at];
}

static int refuse(const struct account *user, uid_t uid, enum account_kind kind,
	uint64_t n, uint64_t most)
{
	return msg_fail(MSG_ERROR_BUSY,
		"uid %u may have %" PRIu64 " %s, has %" PRIu64
		" and asked for %" PRIu64 " more; give some back, or raise "
		"'%s' in [quota] of msg.conf",
		uid, most, kinds[kind].what, user->held[kind], n,
		kinds[kind].key);
}

int account_charge(struct accounts *accounts, uid_t uid, enum account_kind kind,
	uint64_t n)
{
	uint32_t at = find(accounts, uid);
	struct account *user = at < accounts->count ? &accounts->users[at]
						    : place(accounts, uid);
	uint64_t most = accounts->limits.most[kind];

	if (!user) {
		accounts->users_refused++;
		return msg_fail(MSG_ERROR_BUSY,
			"uid %u is one user too many: %u others use this "
			"broker; wait, or start another broker with --name",
			uid, ACCOUNT_USERS_MAX);
	}
	accounts->last = (uint32_t)(user - accounts->users);
	if (uid == 0 && accounts->limits.root_exempt)
		most = UINT64_MAX;
	if (user->held[kind] > most || n > most - user->held[kind]) {
		user->refused[kind]++;
		return refuse(user, uid, kind, n, most);
	}
	user->held[kind] += n;
	return 0;
}

void account_release(struct accounts *accounts, uid_t uid,
	enum account_kind kind, uint64_t n)
{
	uint32_t at = find(accounts, uid);

	assert(n == 0 || at < accounts->count);
	if (at == accounts->count)
		return;
	assert(n <= accounts->users[at].held[kind]);
	accounts->users[at].held[kind] -= n;
}

uint64_t account_held(
	const struct accounts *accounts, uid_t uid, enum account_kind kind)
{
	uint32_t at = find(accounts, uid);

	return at < accounts->count ? accounts->users[at].held[kind] : 0;
}

uint64_t account_left(
	const struct accounts *accounts, uid_t uid, enum account_kind kind)
{
	uint64_t most = accounts->limits.most[kind];
	uint64_t held = account_held(accounts, uid, kind);

	if (uid == 0 && accounts->limits.root_exempt)
		return UINT64_MAX;
	return most > held ? most - held : 0;
}

size_t accounts_list(const struct accounts *accounts,
	struct account_info *infos, size_t capacity)
{
	for (uint32_t at = 0; at < accounts->count && at < capacity; at++) {
		infos[at].uid = accounts->uids[at];
		for (int i = 0; i < ACCOUNT_KIND_COUNT; i++) {
			infos[at].held[i] = accounts->users[at].held[i];
			infos[at].refused[i] = accounts->users[at].refused[i];
		}
	}
	return accounts->count;
}

uint64_t accounts_users_refused(const struct accounts *accounts)
{
	return accounts->users_refused;
}

const char *account_key(enum account_kind kind)
{
	return kinds[kind].key;
}
