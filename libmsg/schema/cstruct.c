/* SPDX-License-Identifier: BSD-2-Clause */
/* cstruct.c - schemas of C structs, written and read; see cstruct.h. */
#include "schema/cstruct.h"

#include <endian.h>
#include <string.h>

#include "base/hash.h"
#include "base/trail.h"
#include "schema/schema.h"

#define MAGIC "cst1"
#define MAGIC_BYTES 4u
#define POOL_BYTES ((size_t)4 << 20)

static uint32_t size_of_kind(uint32_t kind)
{
	return kind & 0xff;
}

static bool is_kind(uint32_t kind)
{
	switch (kind) {
	case MSG_FIELD_BOOL:
	case MSG_FIELD_CHAR:
	case MSG_FIELD_BYTE:
	case MSG_FIELD_INT8:
	case MSG_FIELD_INT16:
	case MSG_FIELD_INT32:
	case MSG_FIELD_INT64:
	case MSG_FIELD_UINT8:
	case MSG_FIELD_UINT16:
	case MSG_FIELD_UINT32:
	case MSG_FIELD_UINT64:
	case MSG_FIELD_FLOAT:
	case MSG_FIELD_DOUBLE:
	case MSG_FIELD_STRUCT:
		return true;
	default:
		return false;
	}
}

/* ---- writing ----------------------------------------------------------- */

struct writer {
	struct msg_wire_out *out;
	const struct msg_cstruct *written[MSG_CSTRUCT_STRUCTS_MAX];
	uint32_t count;
};

static int put_name(struct msg_wire_out *out, const char *name)
{
	size_t bytes = name ? strlen(name) : 0;

	if (bytes > MSG_CSTRUCT_NAME_BYTES_MAX ||
		!msg_schema_is_name(name ? name : "", bytes, false))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%.64s' is no name of C of at most %u bytes",
			name ? name : "", MSG_CSTRUCT_NAME_BYTES_MAX);
	msg_wire_put_number(out, bytes, 1);
	msg_wire_put(out, name, bytes);
	return 0;
}

static uint32_t number_of(const struct writer *w, const struct msg_cstruct *t)
{
	uint32_t i = 0;

	while (i < w->count && w->written[i] != t)
		i++;
	return i;
}

static int put_field(struct writer *w, const struct msg_cstruct *table,
	const struct msg_cstruct_field *f)
{
	bool nested = f->kind == MSG_FIELD_STRUCT;
	size_t size = nested ? f->of->bytes : size_of_kind(f->kind);
	int result;

	if (!is_kind(f->kind) || f->reserved != 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%.64s' of %s: kind is %u; use enum msg_field_kind",
			f->name ? f->name : "", table->name, f->kind);
	if (size == 0 || f->bytes == 0 || f->bytes % size != 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%.64s' of %s has %u bytes, which is no multiple of "
			"its kind's %zu",
			f->name ? f->name : "", table->name, f->bytes, size);
	result = put_name(w->out, f->name);
	if (result < 0)
		return result;
	msg_wire_put_number(w->out, f->kind, 2);
	msg_wire_put_number(w->out, f->offset, 4);
	msg_wire_put_number(w->out, f->bytes / size, 4);
	msg_wire_put_number(w->out, nested ? number_of(w, f->of) : 0, 2);
	return 0;
}

static int put_struct(
	struct writer *w, const struct msg_cstruct *table, uint32_t depth);

/* What it holds goes first. */
static int put_inner(
	struct writer *w, const struct msg_cstruct *table, uint32_t depth)
{
	int result = 0;

	for (size_t i = 0; i < table->field_count && result == 0; i++) {
		const struct msg_cstruct_field *f = &table->fields[i];

		if ((f->kind == MSG_FIELD_STRUCT) != (f->of != NULL))
			return msg_fail(MSG_ERROR_ARGUMENT,
				"'%.64s': `of` belongs to MSG_FIELD_STRUCT, and "
				"to nothing else",
				f->name ? f->name : "");
		if (f->of && number_of(w, f->of) == w->count)
			result = put_struct(w, f->of, depth + 1);
	}
	return result;
}

static int put_struct(
	struct writer *w, const struct msg_cstruct *table, uint32_t depth)
{
	int result;

	if (depth > MSG_CSTRUCT_DEPTH_MAX ||
		w->count == MSG_CSTRUCT_STRUCTS_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"structs hold each other deeper than %u, or are more "
			"than %u",
			MSG_CSTRUCT_DEPTH_MAX, MSG_CSTRUCT_STRUCTS_MAX);
	if (!table->fields || table->field_count < 1 ||
		table->field_count > MSG_CSTRUCT_FIELDS_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%.64s has %zu fields; 1 to %u can be told",
			table->name ? table->name : "", table->field_count,
			MSG_CSTRUCT_FIELDS_MAX);
	result = put_inner(w, table, depth);
	if (result == 0)
		result = put_name(w->out, table->name);
	if (result < 0)
		return result;
	if (table->bytes > MSG_MESSAGE_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s has %zu bytes, more than a message", table->name,
			table->bytes);
	if (w->count == MSG_CSTRUCT_STRUCTS_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"there are more than %u structs",
			MSG_CSTRUCT_STRUCTS_MAX);
	msg_wire_put_number(w->out, table->bytes, 4);
	msg_wire_put_number(w->out, table->field_count, 2);
	for (size_t i = 0; i < table->field_count && result == 0; i++)
		result = put_field(w, table, &table->fields[i]);
	w->written[w->count++] = table;
	return result;
}

int msg_cstruct_write(const struct msg_cstruct *table, struct msg_wire_out *out)
{
	struct writer w = {.out = out};
	size_t count_at = out->bytes + MAGIC_BYTES;
	int result;

	if (__BYTE_ORDER != __LITTLE_ENDIAN)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"structs of this machine are not little-endian, which "
			"those that travel are");
	msg_wire_put(out, MAGIC, MAGIC_BYTES);
	msg_wire_put_number(out, 0, 2);
	result = put_struct(&w, table, 1);
	if (result < 0)
		return result;
	if (out->starved)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
	if (out->failed)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the schema of %s takes more than %zu bytes",
			table->name, out->limit);
	out->data[count_at] = (uint8_t)w.count;
	return 0;
}

/* ---- reading ----------------------------------------------------------- */

static int bad(const char *what)
{
	return msg_fail(
		MSG_ERROR_ARGUMENT, "the schema of a struct %s", what);
}

static int take_name(
	struct msg_cstruct_schema *s, struct msg_wire *w, const char **name)
{
	uint64_t bytes = msg_wire_fixed(w, 1);

	if (w->bad || bytes > (uint64_t)(w->end - w->at))
		return bad("is cut short");
	if (bytes > MSG_CSTRUCT_NAME_BYTES_MAX ||
		!msg_schema_is_name((const char *)w->at, bytes, false))
		return bad("has a name that is none");
	*name = msg_schema_pool_text(&s->pool, w->at, bytes);
	w->at += bytes;
	return *name ? 0 : msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
}

static int take_field(struct msg_cstruct_schema *s, struct msg_wire *w,
	struct msg_cstruct_layout *l, struct msg_cstruct_member *f)
{
	const struct msg_cstruct_layout *inner = NULL;
	uint64_t bytes;
	int result = take_name(s, w, &f->name);

	if (result < 0)
		return result;
	f->kind = (uint32_t)msg_wire_fixed(w, 2);
	f->offset = (uint32_t)msg_wire_fixed(w, 4);
	f->count = (uint32_t)msg_wire_fixed(w, 4);
	f->of = (uint32_t)msg_wire_fixed(w, 2);
	if (w->bad)
		return bad("is cut short");
	if (!is_kind(f->kind))
		return bad("has a field of no kind");
	if (f->kind == MSG_FIELD_STRUCT) {
		/* Those before it alone: none can hold itself. */
		if (f->of >= (uint32_t)(l - s->structs))
			return bad("has a field of a struct that is not there");
		inner = &s->structs[f->of];
	} else if (f->of != 0) {
		return bad("has a field of two kinds");
	}
	bytes = (uint64_t)f->count * (inner ? inner->bytes
					    : size_of_kind(f->kind));
	if (f->count == 0 || f->offset > l->bytes ||
		bytes > l->bytes - f->offset)
		return bad("has a field that does not lie in it");
	l->value_count += f->kind == MSG_FIELD_CHAR || f->kind == MSG_FIELD_BYTE
				  ? 1
			  : inner ? f->count * (inner->value_count + 1)
				  : f->count;
	if (inner && inner->depth + 1 > l->depth)
		l->depth = inner->depth + 1;
	if (l->depth > MSG_CSTRUCT_DEPTH_MAX ||
		l->value_count > MSG_CSTRUCT_VALUES_MAX)
		return bad("holds too many values, or structs too deep");
	return 0;
}

static int take_struct(struct msg_cstruct_schema *s, struct msg_wire *w,
	struct msg_cstruct_layout *l)
{
	int result = take_name(s, w, &l->name);

	if (result < 0)
		return result;
	l->depth = 1;
	l->bytes = (uint32_t)msg_wire_fixed(w, 4);
	l->field_count = (uint32_t)msg_wire_fixed(w, 2);
	if (w->bad)
		return bad("is cut short");
	if (l->bytes < 1 || l->bytes > MSG_MESSAGE_BYTES_MAX ||
		l->field_count < 1 || l->field_count > MSG_CSTRUCT_FIELDS_MAX)
		return bad("has too many bytes or fields, or none");
	l->fields = msg_schema_pool_zero(
		&s->pool, l->field_count * sizeof *l->fields);
	if (!l->fields)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
	for (uint32_t i = 0; i < l->field_count && result == 0; i++) {
		result = take_field(s, w, l, &l->fields[i]);
		for (uint32_t j = 0; j < i && result == 0; j++)
			if (strcmp(l->fields[j].name, l->fields[i].name) == 0)
				result = bad("has two fields of one name");
	}
	return result;
}

static int read_all(
	struct msg_cstruct_schema *s, const void *data, size_t bytes)
{
	struct msg_wire w = msg_wire_over(data, bytes);
	uint32_t count;
	int result = 0;

	if (bytes < MAGIC_BYTES || memcmp(data, MAGIC, MAGIC_BYTES) != 0)
		return bad("is none of this version");
	w.at += MAGIC_BYTES;
	count = (uint32_t)msg_wire_fixed(&w, 2);
	if (w.bad || count < 1 || count > MSG_CSTRUCT_STRUCTS_MAX)
		return bad("has too many structs, or none");
	s->structs = msg_schema_pool_zero(&s->pool, count * sizeof *s->structs);
	if (!s->structs)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a schema");
	for (uint32_t i = 0; i < count && result == 0; i++) {
		result = take_struct(s, &w, &s->structs[i]);
		s->struct_count++;
	}
	if (result == 0 && w.at != w.end)
		result = bad("has something behind it");
	return result;
}

int msg_cstruct_read(
	struct msg_cstruct_schema *schema, const void *data, size_t bytes)
{
	int result;

	memset(schema, 0, sizeof *schema);
	schema->pool.limit = POOL_BYTES;
	result = read_all(schema, data, bytes);
	if (result < 0)
		msg_cstruct_close(schema);
	return result;
}

void msg_cstruct_close(struct msg_cstruct_schema *schema)
{
	msg_schema_pool_close(&schema->pool);
	memset(schema, 0, sizeof *schema);
}

uint64_t msg_cstruct_hash(const void *data, size_t bytes)
{
	uint64_t hash = msg_hash(data, bytes);

	return hash ? hash : 1;
}
