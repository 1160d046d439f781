/* SPDX-License-Identifier: BSD-2-Clause */
/* schema.c - what all who fill or read the tables need; see schema.h. */
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"

void msg_schema_close(struct msg_schema *schema)
{
	msg_schema_pool_close(&schema->pool);
	memset(schema, 0, sizeof *schema);
}

int schema_reserve(struct msg_schema *schema, void *array, uint32_t count,
	size_t size, uint32_t limit, const char *what)
{
	void *room;

	if (count > limit)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has more than %u %s", limit, what);
	room = msg_schema_pool_zero(&schema->pool, (count ? count : 1) * size);
	if (!room)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
	memcpy(array, &room, sizeof room);
	return 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool msg_schema_is_name(const char *text, size_t bytes, bool dots)
{
	bool first = true;

	if (bytes > MSG_SCHEMA_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		char c = text[i];

		if (c == '.' && dots && !first) {
			first = true;
			continue;
		}
		if (!is_letter(c) && (first || c < '0' || c > '9'))
			return false;
		first = false;
	}
	return !first;
}

const struct msg_schema_field *msg_schema_find(const struct msg_schema *schema,
	const struct msg_schema_message *message, uint32_t number)
{
	uint32_t from = message->first_field;
	uint32_t to = from + message->field_count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		uint32_t found = schema->fields[middle].number;

		if (found == number)
			return &schema->fields[middle];
		if (found < number)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

/* ---- order ------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	const struct msg_schema_field *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static int refuse_twins(struct msg_schema *schema, struct msg_schema_message *m)
{
	const char *names[MSG_SCHEMA_FIELDS_MAX];
	const struct msg_schema_field *f = schema->fields + m->first_field;

	for (uint32_t i = 0; i < m->field_count; i++) {
		names[i] = f[i].name;
		if (i > 0 && f[i].number == f[i - 1].number)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"'%s' and '%s' of %s are both number %u",
				f[i - 1].name, f[i].name, m->name,
				f[i].number);
	}
	qsort(names, m->field_count, sizeof *names, by_name);
	for (uint32_t i = 1; i < m->field_count; i++)
		if (strcmp(names[i], names[i - 1]) == 0)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"%s has two fields '%s'", m->name, names[i]);
	return 0;
}

int schema_order_fields(struct msg_schema *schema, struct msg_schema_message *m)
{
	qsort(schema->fields + m->first_field, m->field_count,
		sizeof *schema->fields, by_number);
	return refuse_twins(schema, m);
}

static int by_value(const void *a, const void *b)
{
	const struct msg_schema_value *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->name, y->name);
}

void schema_order_values(struct msg_schema *schema, struct msg_schema_enum *e)
{
	qsort(schema->values + e->first_value, e->value_count,
		sizeof *schema->values, by_value);
}

/* ---- groups, and definitions in definitions ----------------------------- */

bool schema_in_group(const struct schema_group *group, const char *name,
	uint32_t package_bytes, bool proto3)
{
	return group->proto3 == proto3 &&
	       group->package_bytes == package_bytes &&
	       memcmp(group->package, name, package_bytes) == 0;
}

static int add_group(struct schema_group *groups, int count, const char *name,
	uint32_t package_bytes, bool proto3)
{
	for (int i = 0; i < count; i++)
		if (schema_in_group(&groups[i], name, package_bytes, proto3))
			return count;
	if (count == (int)MSG_SCHEMA_FILES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema has more than %u packages",
			MSG_SCHEMA_FILES_MAX);
	groups[count] = (struct schema_group){name, package_bytes, proto3};
	return count + 1;
}

int schema_groups(const struct msg_schema *schema, struct schema_group *groups)
{
	int count = 0;

	for (uint32_t i = 0; i < schema->message_count && count >= 0; i++) {
		const struct msg_schema_message *m = &schema->messages[i];

		count = add_group(
			groups, count, m->name, m->package_bytes, m->proto3);
	}
	for (uint32_t i = 0; i < schema->enum_count && count >= 0; i++) {
		const struct msg_schema_enum *e = &schema->enums[i];

		count = add_group(
			groups, count, e->name, e->package_bytes, e->proto3);
	}
	return count;
}

/* A definition: its name without the package, and what it is. */
struct item {
	const char *name;
	const struct msg_schema_message *message;
	const struct msg_schema_enum *found;
};

/* A dot before all else, so that what nests follows what it nests in. */
static int by_local_name(const void *a, const void *b)
{
	const unsigned char *x =
		(const unsigned char *)((const struct item *)a)->name;
	const unsigned char *y =
		(const unsigned char *)((const struct item *)b)->name;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	return (*x == '.' ? 1 : *x) - (*y == '.' ? 1 : *y);
}

/* Those of items [from, to) that share the first part of their name from byte
 * `skip` on are one definition and what nests in it.  Names have at most 127
 * parts, so this ends. */
static void visit_scope(const struct item *items, size_t from, size_t to,
	size_t skip, const struct schema_visitor *v)
{
	while (from < to) {
		const char *name = items[from].name + skip;
		size_t bytes = strcspn(name, ".");
		bool itself = !name[bytes];
		const struct msg_schema_message *m =
			itself ? items[from].message : NULL;
		size_t end = from + 1;

		if (itself && items[from].found) {
			v->enumeration(v->context, name, bytes,
				items[from++].found);
			continue;
		}
		while (end < to &&
			strncmp(items[end].name + skip, name, bytes) == 0 &&
			items[end].name[skip + bytes] == '.')
			end++;
		v->open(v->context, name, bytes, m);
		visit_scope(items, from + itself, end, skip + bytes + 1, v);
		v->close(v->context, m);
		from = end;
	}
}

bool schema_visit(const struct msg_schema *schema,
	const struct schema_group *group, const struct schema_visitor *visitor)
{
	size_t most = (size_t)schema->message_count + schema->enum_count;
	struct item *items = calloc(most, sizeof *items);
	size_t count = 0;

	if (!items)
		return false;
	for (uint32_t i = 0; i < schema->message_count; i++) {
		const struct msg_schema_message *m = &schema->messages[i];

		if (schema_in_group(
			    group, m->name, m->package_bytes, m->proto3))
			items[count++] = (struct item){
				msg_schema_local_name(m), m, NULL};
	}
	for (uint32_t i = 0; i < schema->enum_count; i++) {
		const struct msg_schema_enum *e = &schema->enums[i];

		if (schema_in_group(
			    group, e->name, e->package_bytes, e->proto3))
			items[count++] = (struct item){
				msg_schema_package_end(
					e->name, e->package_bytes),
				NULL, e};
	}
	qsort(items, count, sizeof *items, by_local_name);
	visit_scope(items, 0, count, 0, visitor);
	free(items);
	return true;
}
