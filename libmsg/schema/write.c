/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * write.c - a FileDescriptorSet of the tables, for readers of any language.
 *
 * A file for each package and syntax, those that others need first.  They have
 * no place on a disk; "md.v1.proto2.proto" names what is in it.
 */
#include "schema/schema.h"

#include <stdio.h>

#include <msg/msg.h>

#include "base/trail.h"

struct writer {
	const struct msg_schema *schema;
	struct msg_wire_out *out;
	const struct schema_group *groups;
	int group_count;
	int group; /* Being written. */
	uint32_t depth;
	size_t begins[MSG_SCHEMA_NAME_BYTES_MAX]; /* Of open messages. */
};

static void file_name(char *text, size_t size, const struct schema_group *g)
{
	snprintf(text, size, "%.*s%sproto%c.proto", (int)g->package_bytes,
		g->package, g->package_bytes ? "." : "",
		g->proto3 ? '3' : '2');
}

/* ---- definitions ------------------------------------------------------- */

static void write_field(struct writer *w, const struct msg_schema_field *f)
{
	char name[MSG_SCHEMA_NAME_BYTES_MAX + 2];
	size_t field = msg_wire_begin(w->out, 2), options;

	msg_wire_put_text(w->out, 1, f->name);
	msg_wire_put_count(w->out, 3, f->number);
	msg_wire_put_count(w->out, 4, f->label);
	msg_wire_put_count(w->out, 5, f->type);
	if (f->type_name) {
		snprintf(name, sizeof name, ".%s", f->type_name);
		msg_wire_put_text(w->out, 6, name);
	}
	if (f->default_text)
		msg_wire_put_text(w->out, 7, f->default_text);
	if (f->label == MSG_SCHEMA_REPEATED &&
		(f->packed || w->groups[w->group].proto3) &&
		f->type != MSG_SCHEMA_STRING && f->type != MSG_SCHEMA_BYTES &&
		f->type != MSG_SCHEMA_MESSAGE) {
		options = msg_wire_begin(w->out, 8);
		msg_wire_put_count(w->out, 2, f->packed);
		msg_wire_end(w->out, options);
	}
	if (f->oneof >= 0)
		msg_wire_put_count(w->out, 9, (uint32_t)f->oneof);
	msg_wire_end(w->out, field);
}

static void open_message(void *context, const char *name, size_t bytes,
	const struct msg_schema_message *m)
{
	struct writer *w = context;

	/* message_type of a file, nested_type of a message. */
	w->begins[w->depth] = msg_wire_begin(w->out, w->depth ? 3 : 4);
	w->depth++;
	msg_wire_put_bytes(w->out, 1, name, bytes);
	for (uint32_t i = 0; m && i < m->field_count; i++)
		write_field(w, &w->schema->fields[m->first_field + i]);
}

static void close_message(void *context, const struct msg_schema_message *m)
{
	struct writer *w = context;
	size_t begin;

	if (m && m->map_entry) {
		begin = msg_wire_begin(w->out, 7);
		msg_wire_put_count(w->out, 7, 1);
		msg_wire_end(w->out, begin);
	}
	for (uint32_t i = 0; m && i < m->oneof_count; i++) {
		begin = msg_wire_begin(w->out, 8);
		msg_wire_put_text(
			w->out, 1, w->schema->oneofs[m->first_oneof + i]);
		msg_wire_end(w->out, begin);
	}
	msg_wire_end(w->out, w->begins[--w->depth]);
}

static void write_value(
	struct msg_wire_out *out, const struct msg_schema_value *value)
{
	size_t begin = msg_wire_begin(out, 2);

	msg_wire_put_text(out, 1, value->name);
	msg_wire_put_count(out, 2, (uint64_t)(int64_t)value->number);
	msg_wire_end(out, begin);
}

/* The default first, the others by number; and that one number has two names
 * must be allowed. */
static void write_enum(void *context, const char *name, size_t bytes,
	const struct msg_schema_enum *e)
{
	struct writer *w = context;
	const struct msg_schema_value *values =
		w->schema->values + e->first_value;
	size_t begin = msg_wire_begin(w->out, w->depth ? 4 : 5);
	bool aliases = false;

	msg_wire_put_bytes(w->out, 1, name, bytes);
	for (uint32_t i = 0; i < e->value_count; i++)
		if (values[i].number == e->first_number)
			write_value(w->out, &values[i]);
	for (uint32_t i = 0; i < e->value_count; i++) {
		if (values[i].number != e->first_number)
			write_value(w->out, &values[i]);
		aliases |= i > 0 && values[i].number == values[i - 1].number;
	}
	if (aliases) {
		size_t options = msg_wire_begin(w->out, 3);

		msg_wire_put_count(w->out, 2, 1);
		msg_wire_end(w->out, options);
	}
	msg_wire_end(w->out, begin);
}

/* ---- files ------------------------------------------------------------- */

static int group_of(const struct writer *w, const char *name,
	uint32_t package_bytes, bool proto3)
{
	int i = 0;

	while (!schema_in_group(&w->groups[i], name, package_bytes, proto3))
		i++;
	return i;
}

static int group_of_field(
	const struct writer *w, const struct msg_schema_field *f)
{
	const struct msg_schema_message *m;
	const struct msg_schema_enum *e;

	if (f->type == MSG_SCHEMA_MESSAGE) {
		m = &w->schema->messages[f->ref];
		return group_of(w, m->name, m->package_bytes, m->proto3);
	}
	if (f->type == MSG_SCHEMA_ENUM) {
		e = &w->schema->enums[f->ref];
		return group_of(w, e->name, e->package_bytes, e->proto3);
	}
	return w->group;
}

/* The groups that the one being written needs. */
static uint64_t needs(const struct writer *w)
{
	const struct schema_group *group = &w->groups[w->group];
	uint64_t found = 0;

	for (uint32_t i = 0; i < w->schema->message_count; i++) {
		const struct msg_schema_message *m = &w->schema->messages[i];

		if (!schema_in_group(
			    group, m->name, m->package_bytes, m->proto3))
			continue;
		for (uint32_t j = 0; j < m->field_count; j++)
			found |= 1ull << group_of_field(w,
					 &w->schema->fields[m->first_field + j]);
	}
	return found & ~(1ull << w->group);
}

static bool write_file(struct writer *w, uint64_t needed)
{
	const struct schema_group *group = &w->groups[w->group];
	const struct schema_visitor visitor = {
		open_message, close_message, write_enum, w};
	char name[MSG_SCHEMA_NAME_BYTES_MAX + 32];
	size_t begin = msg_wire_begin(w->out, 1);
	bool done;

	file_name(name, sizeof name, group);
	msg_wire_put_text(w->out, 1, name);
	if (group->package_bytes > 0)
		msg_wire_put_bytes(
			w->out, 2, group->package, group->package_bytes);
	for (int i = 0; i < w->group_count; i++) {
		if (!(needed & 1ull << i))
			continue;
		file_name(name, sizeof name, &w->groups[i]);
		msg_wire_put_text(w->out, 3, name);
	}
	done = schema_visit(w->schema, group, &visitor);
	if (group->proto3)
		msg_wire_put_text(w->out, 12, "proto3");
	msg_wire_end(w->out, begin);
	return done;
}

/* A file whose needs are written already; 0 if there is none. */
static uint64_t write_next(struct writer *w, uint64_t written, bool *failed)
{
	for (w->group = 0; w->group < w->group_count; w->group++) {
		uint64_t needed;

		if (written & 1ull << w->group)
			continue;
		needed = needs(w);
		if (needed & ~written)
			continue;
		*failed = !write_file(w, needed);
		return 1ull << w->group;
	}
	return 0;
}

int msg_schema_write(const struct msg_schema *schema, struct msg_wire_out *out)
{
	struct schema_group groups[MSG_SCHEMA_FILES_MAX];
	struct writer w = {.schema = schema, .out = out, .groups = groups};
	uint64_t written = 0;
	bool failed = false;

	w.group_count = schema_groups(schema, groups);
	if (w.group_count < 0)
		return w.group_count;
	for (int i = 0; i < w.group_count && !failed; i++) {
		uint64_t one = write_next(&w, written, &failed);

		if (one == 0)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"packages of %s need each other in a circle, "
				"which files cannot",
				schema->messages[0].name);
		written |= one;
	}
	if (failed || out->starved)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
	if (out->failed)
		return msg_fail(MSG_ERROR_TOO_LARGE,
			"the schema of %s takes more than %zu bytes",
			schema->messages[0].name, out->limit);
	return 0;
}
