/* SPDX-License-Identifier: BSD-2-Clause */
/* cstruct_walk.c - what a struct's bytes say, and its text; see cstruct.h. */
#include "schema/cstruct.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/trail.h"

/* ---- walking ----------------------------------------------------------- */

struct walk {
	const struct msg_cstruct_schema *schema;
	const uint8_t *data;
	msg_value_fn *fn;
	void *context;
};

static int say(const struct walk *w, const char *name, enum msg_value_kind kind)
{
	struct msg_value value = {.name = name, .kind = kind, .data = ""};

	return w->fn(w->context, &value);
}

static uint64_t read_number(const uint8_t *at, uint32_t bytes)
{
	struct msg_wire w = msg_wire_over(at, bytes);

	return msg_wire_fixed(&w, bytes);
}

static void take_real(
	struct msg_value *value, const uint8_t *at, uint32_t kind)
{
	uint64_t bits = read_number(at, kind & 0xff);
	uint32_t low = (uint32_t)bits;
	float single;

	if (kind == MSG_FIELD_DOUBLE) {
		value->kind = MSG_VALUE_DOUBLE;
		memcpy(&value->real, &bits, sizeof value->real);
		return;
	}
	memcpy(&single, &low, sizeof single);
	value->kind = MSG_VALUE_FLOAT;
	value->real = single;
}

/* A number that stands at `at`. */
static int walk_number(const struct walk *w, uint32_t kind, const uint8_t *at,
	const char *name)
{
	struct msg_value value = {.name = name, .data = ""};
	uint32_t bytes = kind & 0xff;

	switch (kind) {
	case MSG_FIELD_BOOL:
		value.kind = MSG_VALUE_BOOL;
		value.integer = *at != 0;
		break;
	case MSG_FIELD_FLOAT:
	case MSG_FIELD_DOUBLE:
		take_real(&value, at, kind);
		break;
	case MSG_FIELD_UINT8:
	case MSG_FIELD_UINT16:
	case MSG_FIELD_UINT32:
	case MSG_FIELD_UINT64:
		value.kind = MSG_VALUE_UINT;
		value.natural = read_number(at, bytes);
		break;
	default:
		value.kind = MSG_VALUE_INT;
		value.natural = read_number(at, bytes);
		/* The sign of what has fewer than 64 bits. */
		value.natural <<= 64 - 8 * bytes;
		value.integer = (int64_t)value.natural >> (64 - 8 * bytes);
		value.natural = 0;
	}
	return w->fn(w->context, &value);
}

static int walk_bytes(const struct walk *w, const struct msg_cstruct_member *f,
	const uint8_t *at)
{
	struct msg_value value = {
		.name = f->name,
		.kind = MSG_VALUE_BYTES,
		.data = at,
		.bytes = f->count,
	};

	if (f->kind == MSG_FIELD_CHAR) {
		value.kind = MSG_VALUE_TEXT;
		value.bytes = strnlen((const char *)at, f->count);
	}
	return w->fn(w->context, &value);
}

/* `depth` is bounded by the reader of the schema. */
static int walk_struct(const struct walk *w, const struct msg_cstruct_layout *l,
	const uint8_t *base, const char *name)
{
	int result = say(w, name, MSG_VALUE_MESSAGE);

	for (uint32_t i = 0; i < l->field_count && result == 0; i++) {
		const struct msg_cstruct_member *f = &l->fields[i];
		const struct msg_cstruct_layout *inner =
			f->kind == MSG_FIELD_STRUCT ? &w->schema->structs[f->of]
						    : NULL;
		uint32_t stride = inner ? inner->bytes : f->kind & 0xff;
		bool list = f->count > 1;

		if (f->kind == MSG_FIELD_CHAR || f->kind == MSG_FIELD_BYTE) {
			result = walk_bytes(w, f, base + f->offset);
			continue;
		}
		if (list)
			result = say(w, f->name, MSG_VALUE_LIST);
		for (uint32_t j = 0; j < f->count && result == 0; j++) {
			const uint8_t *at =
				base + f->offset + (size_t)j * stride;
			const char *as = list ? "" : f->name;

			result = inner ? walk_struct(w, inner, at, as)
				       : walk_number(w, f->kind, at, as);
		}
		if (list && result == 0)
			result = say(w, "", MSG_VALUE_END);
	}
	return result ? result : say(w, "", MSG_VALUE_END);
}

int msg_cstruct_walk(const struct msg_cstruct_schema *s, const void *data,
	size_t bytes, msg_value_fn *fn, void *context)
{
	const struct msg_cstruct_layout *l = &s->structs[s->struct_count - 1];
	struct walk walk = {s, data, fn, context};

	if (bytes != l->bytes)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the message has %zu bytes, and struct %s %u", bytes,
			l->name, l->bytes);
	return walk_struct(&walk, l, data, "");
}

/* ---- text -------------------------------------------------------------- */

static const char *kind_name(uint32_t kind)
{
	switch (kind) {
	case MSG_FIELD_BOOL:
		return "bool";
	case MSG_FIELD_CHAR:
		return "char";
	case MSG_FIELD_BYTE:
		return "unsigned char";
	case MSG_FIELD_INT8:
		return "int8_t";
	case MSG_FIELD_INT16:
		return "int16_t";
	case MSG_FIELD_INT32:
		return "int32_t";
	case MSG_FIELD_INT64:
		return "int64_t";
	case MSG_FIELD_UINT8:
		return "uint8_t";
	case MSG_FIELD_UINT16:
		return "uint16_t";
	case MSG_FIELD_UINT32:
		return "uint32_t";
	case MSG_FIELD_UINT64:
		return "uint64_t";
	case MSG_FIELD_FLOAT:
		return "float";
	default:
		return "double";
	}
}

static void print(struct msg_wire_out *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void print(struct msg_wire_out *out, const char *format, ...)
{
	char line[4 * MSG_CSTRUCT_NAME_BYTES_MAX];
	va_list arguments;
	int bytes;

	va_start(arguments, format);
	bytes = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (bytes > 0)
		msg_wire_put(out, line, (size_t)bytes);
}

void msg_cstruct_print(
	const struct msg_cstruct_schema *s, struct msg_wire_out *out)
{
	for (uint32_t i = 0; i < s->struct_count; i++) {
		const struct msg_cstruct_layout *l = &s->structs[i];

		print(out, "%sstruct %s { /* %u bytes, little-endian */\n",
			i ? "\n" : "", l->name, l->bytes);
		for (uint32_t j = 0; j < l->field_count; j++) {
			const struct msg_cstruct_member *f = &l->fields[j];

			if (f->kind == MSG_FIELD_STRUCT)
				print(out, "\tstruct %s %s",
					s->structs[f->of].name, f->name);
			else
				print(out, "\t%s %s", kind_name(f->kind),
					f->name);
			if (f->count > 1)
				print(out, "[%u]", f->count);
			print(out, "; /* at %u */\n", f->offset);
		}
		print(out, "};\n");
	}
}
