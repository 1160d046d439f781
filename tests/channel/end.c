/* SPDX-License-Identifier: BSD-2-Clause */
/* end.c - see end.h. */
#include "end.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "check_main.h"

#define ENDS_MAX 16

const char *end_device;
const char *end_interface = "lo";
sa_family_t end_family = AF_INET;

static struct end *opened[ENDS_MAX];

bool on_tcp(void)
{
	return !end_device;
}

int patience_ms(void)
{
	return (int)((on_tcp() ? 5000 : 30000) * check_slowness());
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

struct channel_set *inside(struct end *end)
{
	return (struct channel_set *)end->set;
}

/* ---- opening ----------------------------------------------------------- */

int domain_open(struct msg_link_domain **domain, char *text)
{
	struct msg_link_domain_options o = {
		.lane = end_device ? MSG_LANE_VERBS : MSG_LANE_UDP,
		.device = end_device,
		.interface = end_device ? NULL : end_interface,
		.ttl = 1,
		.family = end_family,
	};

	return msg_link_module.open(&o, domain, text);
}

void domain_close(struct msg_link_domain *domain)
{
	msg_link_module.close(domain);
}

static uint8_t *map(size_t bytes)
{
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static void remember(struct end *old, struct end *new)
{
	int i = 0;

	while (i < ENDS_MAX && opened[i] != old)
		i++;
	ck_assert_int_lt(i, ENDS_MAX);
	opened[i] = new;
}

void ends_forget(void)
{
	memset(opened, 0, sizeof opened);
}

int try_open(struct end *end, struct end_options o, char *text)
{
	struct msg_channels_options options = {
		.memory_bytes = (size_t)BUFFERS * BUFFER_BYTES,
		.receive_count = o.receive_count ? o.receive_count : 256,
		.send_count = o.send_count ? o.send_count : 64,
		.connection_max = o.connection_max ? o.connection_max : 8,
		.connect_limit_ms = o.limit_ms,
		.port = o.port,
		.listen = !o.deaf,
	};
	int result;

	memset(end, 0, sizeof *end);
	end->memory = map(options.memory_bytes);
	options.memory = end->memory;
	if (o.headers) {
		end->headers = map(BUFFER_BYTES);
		options.headers = end->headers;
		options.headers_bytes = BUFFER_BYTES;
	}
	result = domain_open(&end->domain, text);
	if (result == 0)
		result = msg_channel_module.open(
			end->domain, &options, &end->set, text);
	if (result < 0) {
		if (end->domain)
			domain_close(end->domain);
		munmap(end->memory, options.memory_bytes);
	}
	return result;
}

void end_open(struct end *end, struct end_options o)
{
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = try_open(end, o, text);

	ck_assert_msg(result == 0, "set: %d: %s", result, text);
	end->told = malloc(TOLD_MAX * sizeof *end->told);
	ck_assert_ptr_nonnull(end->told);
	if (!o.deaf) {
		result = end->set->ops->name(end->set, end->reach);
		ck_assert_int_gt(result, 0);
		end->reach_bytes = (uint32_t)result;
	}
	remember(NULL, end);
}

void end_close(struct end *end)
{
	remember(end, NULL);
	end->set->ops->close(end->set);
	domain_close(end->domain);
	munmap(end->memory, (size_t)BUFFERS * BUFFER_BYTES);
	if (end->headers)
		munmap(end->headers, BUFFER_BYTES);
	free(end->told);
}

/* ---- what is told ------------------------------------------------------ */

void end_poll(struct end *end)
{
	struct msg_channel_event events[16];
	int n = end->set->ops->poll(end->set, events, 16);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		struct told *told = &end->told[
			(end->told_first + end->told_count) % TOLD_MAX];

		ck_assert_uint_lt(end->told_count, TOLD_MAX);
		end->told_count++;
		told->event = events[i];
		if (events[i].greeting)
			memcpy(told->greeting, events[i].greeting,
				events[i].bytes);
	}
}

void ends_poll(void)
{
	for (int i = 0; i < ENDS_MAX; i++)
		if (opened[i])
			end_poll(opened[i]);
}

bool has_told(const struct end *end)
{
	return end->told_count > 0;
}

struct told expect_any(struct end *end)
{
	struct told told;
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	while (!has_told(end)) {
		ends_poll();
		ck_assert_msg(has_told(end) || now_ms() < limit,
			"nothing was told for %d ms", patience_ms());
	}
	told = end->told[end->told_first];
	end->told_first = (end->told_first + 1) % TOLD_MAX;
	end->told_count--;
	return told;
}

struct told next_told(struct end *end)
{
	struct told told = expect_any(end);

	while (told.event.type == MSG_CHANNEL_SENT)
		told = expect_any(end);
	return told;
}

struct told expect(struct end *end, uint32_t type)
{
	struct told told = expect_any(end);

	ck_assert_msg(told.event.type == type,
		"told %u (error %d, token %u) in place of %u",
		told.event.type, told.event.error, told.event.token, type);
	return told;
}

void expect_quiet(struct end *end, int ms)
{
	uint64_t limit = now_ms() + (uint64_t)ms;

	while (now_ms() < limit) {
		ends_poll();
		if (has_told(end))
			ck_abort_msg("told %u in place of nothing",
				end->told[end->told_first].event.type);
	}
}

/* ---- doing ------------------------------------------------------------- */

void post_all(struct end *end, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		ck_assert_int_eq(end->set->ops->post(end->set, buffer(end, i),
					 BUFFER_BYTES, i), 0);
}

uint32_t ask(struct end *from, struct end *to)
{
	uint32_t handle;

	ck_assert_int_eq(from->set->ops->connect(from->set, to->reach,
				 to->reach_bytes, "hello", 5, &handle), 0);
	return handle;
}

void join(struct end *from, struct end *to, uint32_t *from_handle,
	uint32_t *to_handle)
{
	struct told told;

	*from_handle = ask(from, to);
	told = expect(to, MSG_CHANNEL_ASKED);
	ck_assert_uint_eq(told.event.bytes, 5);
	ck_assert_mem_eq(told.greeting, "hello", 5);
	*to_handle = told.event.handle;
	ck_assert_int_eq(to->set->ops->accept(to->set, *to_handle, "yes", 3),
		0);
	told = expect(from, MSG_CHANNEL_CONNECTED);
	ck_assert_uint_eq(told.event.handle, *from_handle);
	ck_assert_uint_eq(told.event.bytes, 3);
	ck_assert_mem_eq(told.greeting, "yes", 3);
	told = expect(to, MSG_CHANNEL_CONNECTED);
	ck_assert_uint_eq(told.event.handle, *to_handle);
}

int send_buffer(struct end *end, uint32_t handle, uint32_t i, uint32_t bytes,
	bool signal)
{
	struct msg_channel_send send = {
		.iov = {{buffer(end, i), bytes}},
		.iov_count = 1,
		.handle = handle,
		.token = i,
		.signal = signal,
	};

	return end->set->ops->send(end->set, &send);
}
