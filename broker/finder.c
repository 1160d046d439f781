/* SPDX-License-Identifier: BSD-2-Clause */
/* finder.c - what finds the providers of connections; see finder.h. */
#include "broker/finder.h"

#include <sys/socket.h>

#include "base/atomic.h"
#include "link/module.h"

/* Signals are read from a descriptor, and blocked here as in the loop's thread. */
static void *find(void *context)
{
	struct finder *f = context;
	char text[MSG_LINK_TEXT_BYTES] = "";
	const char byte = 0;

	(void)f->module->find(f->domain, text);
	msg_store(&f->found, true, release);
	/* Full of bytes it wakes as well. */
	(void)!send(f->bell, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return NULL;
}

bool finder_ask(struct finder *f)
{
	/* Where history is read they were found before the first client was. */
	if (!f->domain || f->domain->reads)
		return true;
	if (f->started)
		return msg_load(&f->found, acquire);
	/* Without them, or without a thread, who opens some hears it, or waits. */
	if ((!f->module && msg_link_module_channels(&f->module) < 0) ||
		pthread_create(&f->thread, NULL, find, f) != 0)
		return true;
	f->started = true;
	return false;
}

void finder_close(struct finder *f)
{
	if (f->started)
		pthread_join(f->thread, NULL);
	f->started = false;
}
