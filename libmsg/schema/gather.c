/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gather.c - of all that was read, the type asked for and what it needs.
 *
 * Fields name their types in full; the names become numbers, and messages and
 * enums are put into the order of first use.  No recursion: what is yet to be
 * looked at is the end of the list of what was found.
 */
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"

static int no_memory(void)
{
	return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
}

/* ---- resolve ----------------------------------------------------------- */

/* A full name and what it is the name of. */
struct known {
	const char *name;
	uint32_t index;
	uint8_t type; /* MESSAGE or ENUM. */
};

static int by_known_name(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->name,
		((const struct known *)b)->name);
}

struct book {
	struct known *known;
	size_t count;
};

static int open_book(const struct msg_schema *s, struct book *book)
{
	size_t n = 0;

	book->count = (size_t)s->message_count + s->enum_count;
	book->known = calloc(book->count + 1, sizeof *book->known);
	if (!book->known)
		return no_memory();
	for (uint32_t i = 0; i < s->message_count; i++)
		book->known[n++] = (struct known){
			s->messages[i].name, i, MSG_SCHEMA_MESSAGE};
	for (uint32_t i = 0; i < s->enum_count; i++)
		book->known[n++] = (struct known){
			s->enums[i].name, i, MSG_SCHEMA_ENUM};
	qsort(book->known, n, sizeof *book->known, by_known_name);
	for (size_t i = 1; i < n; i++)
		if (strcmp(book->known[i].name, book->known[i - 1].name) == 0)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"the schema defines %s twice",
				book->known[i].name);
	return 0;
}

static const struct known *look_up(const struct book *book, const char *name)
{
	struct known key = {.name = name};

	return bsearch(&key, book->known, book->count, sizeof key,
		by_known_name);
}

static int resolve(struct msg_schema *s, const struct book *book)
{
	for (uint32_t i = 0; i < s->field_count; i++) {
		struct msg_schema_field *f = &s->fields[i];
		const struct known *found;

		if (!f->type_name)
			continue;
		if (f->type_name[0] != '.' ||
			!msg_schema_is_name(f->type_name + 1,
				strlen(f->type_name + 1), true))
			return msg_fail(MSG_ERROR_ARGUMENT,
				"'%s' has a type whose name is not full",
				f->name);
		found = look_up(book, f->type_name + 1);
		if (!found || found->type != f->type)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"'%s' is of type %s, which the schema lacks "
				"(protoc --include_imports)",
				f->name, f->type_name + 1);
		f->type_name = found->name;
		f->ref = found->index;
	}
	return 0;
}

/* ---- gather ------------------------------------------------------------ */

/* The new place of what was at `index`; it is the next if it had none. */
static uint32_t place(uint32_t *places, uint32_t *order, uint32_t *count,
	uint32_t index)
{
	if (places[index] == UINT32_MAX) {
		places[index] = *count;
		order[(*count)++] = index;
	}
	return places[index];
}

/* Put messages and enums into the order of first use, `root` first; the others
 * go. */
static int gather(struct msg_schema *s, uint32_t root)
{
	size_t most = (size_t)s->message_count + s->enum_count;
	uint32_t *places = msg_schema_pool_take(
		&s->pool, 2 * most * sizeof *places);
	struct msg_schema_message *messages = msg_schema_pool_take(
		&s->pool, s->message_count * sizeof *messages);
	struct msg_schema_enum *enums = msg_schema_pool_take(
		&s->pool, s->enum_count * sizeof *enums);
	uint32_t *enum_places, *order, *enum_order;
	uint32_t count = 0, enum_count = 0;

	if (!places || !messages || !enums)
		return no_memory();
	memset(places, 0xff, most * sizeof *places);
	enum_places = places + s->message_count;
	order = places + most;
	enum_order = order + s->message_count;
	place(places, order, &count, root);
	for (uint32_t i = 0; i < count; i++) {
		struct msg_schema_message *m = &s->messages[order[i]];

		messages[i] = *m;
		for (uint32_t j = 0; j < m->field_count; j++) {
			struct msg_schema_field *f =
				&s->fields[m->first_field + j];

			if (f->type == MSG_SCHEMA_MESSAGE)
				f->ref = place(places, order, &count, f->ref);
			else if (f->type == MSG_SCHEMA_ENUM)
				f->ref = place(enum_places, enum_order,
					&enum_count, f->ref);
		}
	}
	for (uint32_t i = 0; i < enum_count; i++)
		enums[i] = s->enums[enum_order[i]];
	s->messages = messages;
	s->message_count = count;
	s->enums = enums;
	s->enum_count = enum_count;
	return 0;
}

int schema_gather(struct msg_schema *s, const char *name)
{
	struct book book;
	const struct known *root;
	int result = open_book(s, &book);

	if (result == 0)
		result = resolve(s, &book);
	root = result == 0 ? look_up(&book, name) : NULL;
	if (result == 0 && (!root || root->type != MSG_SCHEMA_MESSAGE))
		result = msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has no message '%.255s'", name);
	else if (result == 0)
		result = gather(s, root->index);
	free(book.known);
	return result;
}
