/* SPDX-License-Identifier: BSD-2-Clause */
/* keep_show.c - a relay's history for other hosts to read; see keep_show.h. */
#include "broker/keep_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "broker/keep_large.h"
#include "broker/log.h"
#include "broker/server_internal.h"

#include "base/trail.h"
#include "link/module.h"
#include "protocol/fragment.h"

/* So long receivers have to say that they want a large message. */
#define YOUNG_ROUND_TRIPS 200u

_Static_assert(MSG_LARGE_BYTES >= KEEP_FRONT && MSG_LARGE_BYTES % 8 == 0 &&
		       KEEP_FRONT % 8 == 0,
	"what is beside a place has its own room, in whole words");

/* ---- life --------------------------------------------------------------- */

static int open_channels(struct publisher *p, struct keep_show *s)
{
	const struct msg_channel_module *module;
	struct msg_channels_options options = {
		.memory_bytes = MSG_SHOW_MEMORY_BYTES,
		.receive_count = 1,
		.send_count = 1,
		.connection_max = MSG_SHOW_CONNECTIONS_MAX,
		.listen = true,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_channels(&module);

	if (result == 0)
		result = msg_region_open(&s->memory, MSG_SHOW_MEMORY_BYTES);
	if (result < 0)
		return result;
	options.memory = s->memory.base;
	result = module->open(p->server->network.domain, &options,
		&s->channels, text);
	if (result < 0)
		return msg_fail(-result,
			"the broker has no connections for who reads: %s",
			text);
	return server_watch_lane(p->server, s->channels->fd);
}

static int draw_serial(uint64_t *serial)
{
	if (getrandom(serial, sizeof *serial, 0) != (ssize_t)sizeof *serial)
		return msg_fail(MSG_ERROR_FABRIC, "no random numbers: %s",
			strerror(errno));
	return 0;
}

static uint32_t beside(bool large)
{
	return large ? MSG_LARGE_BYTES : KEEP_FRONT;
}

bool keep_show_may(const struct publisher *p)
{
	const struct server *server = p->server;
	const struct acl *acl = &server->options.config->acl;
	const struct msg_link_domain *domain = server->network.domain;

	return domain && domain->reads &&
	       acl_class_is_open(acl, acl_class(acl, p->source.text.topic));
}

size_t keep_show_bytes(uint32_t frames, bool large)
{
	return msg_shelf_bytes(frames, beside(large));
}

/* Where it cannot be read it is asked for: no reason to fail. */
static void unread(const struct publisher *p)
{
	const struct msg_log log = {log_library, NULL};

	msg_log(&log, MSG_LOG_WARNING, "history-unread",
		"the history of '%s' is asked for and not read: %s",
		p->source.text.topic, msg_trail_text());
}

static void open_shelf(struct publisher *p, struct keep_show *s, bool large)
{
	struct keep *k = p->keep;
	struct msg_history_shelf_options options = {
		.channels = s->channels,
		.slots = p->pool.base,
		.slots_bytes = p->pool.bytes,
		.places = k->limits.frames,
		.beside_bytes = beside(large),
		.floor = k->first,
		.tag = k->repairer.options.tag,
		.publisher = k->repairer.options.publisher,
	};

	if (msg_shelf_open(&s->shelf, &options) < 0) {
		unread(p);
		return;
	}
	s->shelved = true;
	s->show.shelf = &s->shelf;
}

static int open_show(
	struct publisher *p, const struct msg_control_publish *wish)
{
	struct msg_repairer *repairer = &p->keep->repairer;
	struct msg_show_options options = {
		.bytes_max = wish->large_bytes_max,
		.young_ns = YOUNG_ROUND_TRIPS * repairer->options.rtt_ns,
		.tag = repairer->options.tag,
		.publisher = repairer->options.publisher,
	};
	struct keep_show *s = calloc(1, sizeof *s);
	int result;

	p->keep->show = s;
	if (!s)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for who reads");
	result = draw_serial(&options.first_serial);
	if (result == 0)
		result = open_channels(p, s);
	options.channels = s->channels;
	if (result == 0)
		result = msg_show_open(&s->show, &options);
	if (result < 0)
		return result;
	if (keep_show_may(p))
		open_shelf(p, s, wish->large_bytes_max > 0);
	repairer->show = &s->show;
	return 0;
}

void keep_show_close(struct keep_show *s)
{
	if (!s)
		return;
	if (s->shelved)
		msg_shelf_close(&s->shelf);
	if (s->show.channels)
		msg_show_close(&s->show);
	if (s->channels)
		s->channels->ops->close(s->channels);
	msg_region_close(&s->memory);
	free(s);
}

int keep_show_open(
	struct publisher *p, const struct msg_control_publish *wish)
{
	int result = open_show(p, wish);

	if (result == 0 || wish->large_bytes_max > 0)
		return result;
	unread(p);
	keep_show_close(p->keep->show);
	p->keep->show = NULL;
	return 0;
}

/* ---- frames ------------------------------------------------------------- */

void keep_show_add(struct keep *k, const struct keep_frame *frame,
	const uint8_t *front)
{
	struct keep_show *s = k->show;
	struct msg_shelf_place place = {
		.sequence = frame->sequence,
		.begin = frame->place,
		.number = (uint32_t)k->next,
		.bytes = frame->bytes,
		.type = frame->type,
	};
	struct msg_fragment part = {0};

	if (!s || !s->shelved)
		return;
	if (frame->type == MSG_FRAME_FRAGMENT) {
		(void)msg_fragment_read(front,
			MSG_FRAGMENT_HEADER_BYTES + frame->bytes, &part);
		place.total = part.total;
		place.offset = part.offset;
	} else if (frame->bytes == 0) {
		place.bytes = frame->front_bytes;
		msg_shelf_add_copy(&s->shelf, &place, front);
		return;
	}
	msg_shelf_add(&s->shelf, &place);
}

void keep_show_raise(struct keep *k)
{
	if (k->show && k->show->shelved)
		msg_shelf_raise(&k->show->shelf, k->first);
}
