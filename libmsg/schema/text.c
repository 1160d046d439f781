/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.c - the tables as a .proto file, for people.
 *
 * What protoc would read back as the same type, as long as all is of one package
 * and syntax; several are shown one behind the other.
 */
#include "schema/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct printer {
	const struct msg_schema *schema;
	const struct schema_group *group;
	struct msg_wire_out *out;
	int depth;
};

static void print(struct msg_wire_out *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void print(struct msg_wire_out *out, const char *format, ...)
{
	char line[2 * MSG_SCHEMA_NAME_BYTES_MAX + 128];
	va_list arguments;
	int bytes;

	va_start(arguments, format);
	bytes = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (bytes > 0)
		msg_wire_put(out, line, (size_t)bytes);
}

static void indent(struct printer *p)
{
	for (int i = 0; i < p->depth; i++)
		print(p->out, "  ");
}

static const char *const type_names[] = {
	[MSG_SCHEMA_DOUBLE] = "double",
	[MSG_SCHEMA_FLOAT] = "float",
	[MSG_SCHEMA_INT64] = "int64",
	[MSG_SCHEMA_UINT64] = "uint64",
	[MSG_SCHEMA_INT32] = "int32",
	[MSG_SCHEMA_FIXED64] = "fixed64",
	[MSG_SCHEMA_FIXED32] = "fixed32",
	[MSG_SCHEMA_BOOL] = "bool",
	[MSG_SCHEMA_STRING] = "string",
	[MSG_SCHEMA_BYTES] = "bytes",
	[MSG_SCHEMA_UINT32] = "uint32",
	[MSG_SCHEMA_SFIXED32] = "sfixed32",
	[MSG_SCHEMA_SFIXED64] = "sfixed64",
	[MSG_SCHEMA_SINT32] = "sint32",
	[MSG_SCHEMA_SINT64] = "sint64",
};

/* Short where it is found from here, full where it stands elsewhere. */
static void print_type(struct printer *p, const struct msg_schema_field *f)
{
	const struct schema_group *g = p->group;
	uint32_t bytes;

	if (!f->type_name) {
		print(p->out, "%s", type_names[f->type]);
		return;
	}
	bytes = f->type == MSG_SCHEMA_MESSAGE
			? p->schema->messages[f->ref].package_bytes
			: p->schema->enums[f->ref].package_bytes;
	if (bytes == g->package_bytes &&
		memcmp(f->type_name, g->package, bytes) == 0)
		print(p->out, "%s",
			msg_schema_package_end(f->type_name, bytes));
	else
		print(p->out, ".%s", f->type_name);
}

/* What stands in quotes; of others' making, so anything. */
static void print_quoted(struct printer *p, const char *text, bool escaped)
{
	print(p->out, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c >= 0x7f || c == '"' ||
			(c == '\\' && !escaped))
			print(p->out, "\\%03o", c);
		else
			print(p->out, "%c", c);
	}
	print(p->out, "\"");
}

static bool is_plain(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.") ==
	       strlen(text);
}

static void print_options(struct printer *p, const struct msg_schema_field *f)
{
	bool packable = f->label == MSG_SCHEMA_REPEATED &&
			f->type != MSG_SCHEMA_STRING &&
			f->type != MSG_SCHEMA_BYTES &&
			f->type != MSG_SCHEMA_MESSAGE;

	if (packable && f->packed != p->group->proto3)
		print(p->out, " [packed = %s]", f->packed ? "true" : "false");
	if (!f->default_text)
		return;
	if (f->type == MSG_SCHEMA_STRING || f->type == MSG_SCHEMA_BYTES) {
		print(p->out, " [default = ");
		print_quoted(p, f->default_text, f->type == MSG_SCHEMA_BYTES);
		print(p->out, "]");
	} else if (is_plain(f->default_text)) {
		print(p->out, " [default = %.64s]", f->default_text);
	}
}

static const char *label_of(
	const struct printer *p, const struct msg_schema_field *f)
{
	if (f->oneof >= 0)
		return "";
	if (f->label == MSG_SCHEMA_REPEATED)
		return "repeated ";
	if (f->label == MSG_SCHEMA_REQUIRED)
		return "required ";
	if (p->group->proto3 && (f->implicit || f->type == MSG_SCHEMA_MESSAGE))
		return "";
	return "optional ";
}

static void print_field(struct printer *p, const struct msg_schema_field *f)
{
	const struct msg_schema_message *m =
		f->type == MSG_SCHEMA_MESSAGE ? &p->schema->messages[f->ref]
					      : NULL;

	indent(p);
	if (m && m->map_entry && f->label == MSG_SCHEMA_REPEATED) {
		const struct msg_schema_field *entry =
			p->schema->fields + m->first_field;

		print(p->out, "map<");
		print_type(p, &entry[0]);
		print(p->out, ", ");
		print_type(p, &entry[1]);
		print(p->out, ">");
	} else {
		print(p->out, "%s", label_of(p, f));
		print_type(p, f);
	}
	print(p->out, " %s = %u", f->name, f->number);
	print_options(p, f);
	print(p->out, ";\n");
}

/* A oneof stands where its first member does. */
static void print_fields(struct printer *p, const struct msg_schema_message *m)
{
	const struct msg_schema_field *f = p->schema->fields + m->first_field;
	bool done[MSG_SCHEMA_ONEOFS_MAX] = {false};

	for (uint32_t i = 0; i < m->field_count; i++) {
		int32_t oneof = f[i].oneof;

		if (oneof < 0) {
			print_field(p, &f[i]);
			continue;
		}
		if (done[oneof])
			continue;
		done[oneof] = true;
		indent(p);
		print(p->out, "oneof %s {\n",
			p->schema->oneofs[m->first_oneof + (uint32_t)oneof]);
		p->depth++;
		for (uint32_t j = i; j < m->field_count; j++)
			if (f[j].oneof == oneof)
				print_field(p, &f[j]);
		p->depth--;
		indent(p);
		print(p->out, "}\n");
	}
}

static void open_message(void *context, const char *name, size_t bytes,
	const struct msg_schema_message *m)
{
	struct printer *p = context;

	if (m && m->map_entry)
		return;
	if (p->depth == 0)
		print(p->out, "\n");
	indent(p);
	print(p->out, "message %.*s {\n", (int)bytes, name);
	p->depth++;
	if (m)
		print_fields(p, m);
}

static void close_message(void *context, const struct msg_schema_message *m)
{
	struct printer *p = context;

	if (m && m->map_entry)
		return;
	p->depth--;
	indent(p);
	print(p->out, "}\n");
}

static void print_value(struct printer *p, const struct msg_schema_value *value)
{
	indent(p);
	print(p->out, "%s = %d;\n", value->name, (int)value->number);
}

static void print_enum(void *context, const char *name, size_t bytes,
	const struct msg_schema_enum *e)
{
	struct printer *p = context;
	const struct msg_schema_value *values =
		p->schema->values + e->first_value;
	bool aliases = false;

	if (p->depth == 0)
		print(p->out, "\n");
	indent(p);
	print(p->out, "enum %.*s {\n", (int)bytes, name);
	p->depth++;
	for (uint32_t i = 1; i < e->value_count; i++)
		aliases |= values[i].number == values[i - 1].number;
	if (aliases) {
		indent(p);
		print(p->out, "option allow_alias = true;\n");
	}
	for (uint32_t i = 0; i < e->value_count; i++)
		if (values[i].number == e->first_number)
			print_value(p, &values[i]);
	for (uint32_t i = 0; i < e->value_count; i++)
		if (values[i].number != e->first_number)
			print_value(p, &values[i]);
	p->depth--;
	indent(p);
	print(p->out, "}\n");
}

void msg_schema_print(const struct msg_schema *schema, struct msg_wire_out *out)
{
	struct schema_group groups[MSG_SCHEMA_FILES_MAX];
	struct printer p = {.schema = schema, .out = out};
	const struct schema_visitor visitor = {
		open_message, close_message, print_enum, &p};
	int count = schema_groups(schema, groups);

	if (count < 0)
		out->failed = true;
	for (int i = 0; i < count; i++) {
		p.group = &groups[i];
		print(out, "%ssyntax = \"proto%c\";\n", i ? "\n" : "",
			groups[i].proto3 ? '3' : '2');
		if (groups[i].package_bytes)
			print(out, "package %.*s;\n",
				(int)groups[i].package_bytes,
				groups[i].package);
		if (!schema_visit(schema, p.group, &visitor))
			out->failed = true;
	}
}
