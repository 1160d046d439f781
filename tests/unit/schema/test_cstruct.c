/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cstruct.c - plain C structs as types; see schema/cstruct.h. */
#include <msg/type.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "schema/cstruct.h"

struct level {
	double price;
	uint32_t quantity;
	bool firm;
};

struct book {
	char symbol[8];
	int8_t i8;
	uint8_t u8;
	int16_t i16;
	uint16_t u16;
	int32_t i32;
	float ratio;
	int64_t i64;
	uint64_t u64;
	struct level best;
	struct level bids[2];
	uint16_t flags[3];
	unsigned char key[4];
};

static const struct msg_cstruct_field level_fields[] = {
	MSG_CSTRUCT_FIELD(struct level, price, MSG_FIELD_DOUBLE),
	MSG_CSTRUCT_FIELD(struct level, quantity, MSG_FIELD_UINT32),
	MSG_CSTRUCT_FIELD(struct level, firm, MSG_FIELD_BOOL),
};
static const struct msg_cstruct level_table = {
	"level", sizeof(struct level), level_fields, 3};

static const struct msg_cstruct_field book_fields[] = {
	MSG_CSTRUCT_FIELD(struct book, symbol, MSG_FIELD_CHAR),
	MSG_CSTRUCT_FIELD(struct book, i8, MSG_FIELD_INT8),
	MSG_CSTRUCT_FIELD(struct book, u8, MSG_FIELD_UINT8),
	MSG_CSTRUCT_FIELD(struct book, i16, MSG_FIELD_INT16),
	MSG_CSTRUCT_FIELD(struct book, u16, MSG_FIELD_UINT16),
	MSG_CSTRUCT_FIELD(struct book, i32, MSG_FIELD_INT32),
	MSG_CSTRUCT_FIELD(struct book, ratio, MSG_FIELD_FLOAT),
	MSG_CSTRUCT_FIELD(struct book, i64, MSG_FIELD_INT64),
	MSG_CSTRUCT_FIELD(struct book, u64, MSG_FIELD_UINT64),
	MSG_CSTRUCT_STRUCT(struct book, best, &level_table),
	MSG_CSTRUCT_STRUCT(struct book, bids, &level_table),
	MSG_CSTRUCT_FIELD(struct book, flags, MSG_FIELD_UINT16),
	MSG_CSTRUCT_FIELD(struct book, key, MSG_FIELD_BYTE),
};
#define BOOK_FIELDS (sizeof book_fields / sizeof *book_fields)
static const struct msg_cstruct book_table = {
	"book", sizeof(struct book), book_fields, BOOK_FIELDS};

static const struct book one = {
	.symbol = "ACME",
	.i8 = INT8_MIN,
	.u8 = UINT8_MAX,
	.i16 = INT16_MIN,
	.u16 = UINT16_MAX,
	.i32 = INT32_MIN,
	.ratio = 0.25f,
	.i64 = INT64_MIN,
	.u64 = UINT64_MAX,
	.best = {10.5, 3, true},
	.bids = {{10, 1, false}, {9.5, 2, true}},
	.flags = {1, 2, 3},
	.key = {0, 1, 2, 255},
};

static const char one_json[] =
	"{\"symbol\":\"ACME\",\"i8\":-128,\"u8\":255,\"i16\":-32768,"
	"\"u16\":65535,\"i32\":-2147483648,\"ratio\":0.25,"
	"\"i64\":-9223372036854775808,\"u64\":18446744073709551615,"
	"\"best\":{\"price\":10.5,\"quantity\":3,\"firm\":true},"
	"\"bids\":[{\"price\":10,\"quantity\":1,\"firm\":false},"
	"{\"price\":9.5,\"quantity\":2,\"firm\":true}],"
	"\"flags\":[1,2,3],\"key\":\"AAEC/w==\"}";

static struct msg_type *open_type(const struct msg_cstruct *table)
{
	struct msg_type *type;
	int result = msg_type_of_cstruct(table, &type);

	ck_assert_msg(result == 0, "%s", msg_error_text());
	return type;
}

START_TEST(a_struct_is_shown_as_json)
{
	struct msg_type *type = open_type(&book_table);
	char text[1024];

	ck_assert_int_eq(
		msg_type_json(type, &one, sizeof one, text, sizeof text),
		(int)strlen(one_json));
	ck_assert_str_eq(text, one_json);
	msg_type_close(type);
}
END_TEST

START_TEST(the_schema_alone_is_enough)
{
	struct msg_type *type = open_type(&book_table), *again;
	size_t bytes;
	const void *schema = msg_type_schema(type, &bytes);
	char text[1024];

	ck_assert_int_eq(msg_type_of_schema(MSG_ENCODING_CSTRUCT, "book",
				 schema, bytes, &again),
		0);
	ck_assert_uint_eq(msg_type_hash(type), msg_type_hash(again));
	ck_assert_str_eq(msg_type_name(again), "book");
	ck_assert_int_eq(msg_type_encoding(again), MSG_ENCODING_CSTRUCT);
	ck_assert_ptr_null(msg_type_descriptor(again));
	msg_type_close(type);
	ck_assert_int_gt(
		msg_type_json(again, &one, sizeof one, text, sizeof text), 0);
	ck_assert_str_eq(text, one_json);
	ck_assert_int_eq(msg_type_of_schema(MSG_ENCODING_CSTRUCT, "other",
				 "", 0, &again),
		-MSG_ERROR_ARGUMENT);
	msg_type_close(again);
}
END_TEST

START_TEST(it_is_printed_as_c)
{
	struct msg_type *type = open_type(&level_table);
	char text[256];

	ck_assert_int_gt(msg_type_print(type, text, sizeof text), 0);
	ck_assert_str_eq(text,
		"struct level { /* 16 bytes, little-endian */\n"
		"\tdouble price; /* at 0 */\n"
		"\tuint32_t quantity; /* at 8 */\n"
		"\tbool firm; /* at 12 */\n"
		"};\n");
	msg_type_close(type);
}
END_TEST

START_TEST(a_message_of_another_size_is_refused)
{
	struct msg_type *type = open_type(&level_table);
	char bytes[sizeof(struct level) + 1] = {0};

	for (size_t i = 0; i <= sizeof bytes; i++)
		if (i != sizeof(struct level))
			ck_assert_int_eq(
				msg_type_json(type, bytes, i, NULL, 0),
				-MSG_ERROR_ARGUMENT);
	msg_type_close(type);
}
END_TEST

START_TEST(text_ends_at_its_zero_or_at_its_array)
{
	struct msg_type *type = open_type(&book_table);
	struct book full = one;
	char text[1024];

	memcpy(full.symbol, "ABCDEFGH", 8);
	ck_assert_int_gt(
		msg_type_json(type, &full, sizeof full, text, sizeof text), 0);
	ck_assert_ptr_nonnull(strstr(text, "\"ABCDEFGH\""));
	msg_type_close(type);
}
END_TEST

/* ---- what is refused --------------------------------------------------- */

static struct msg_cstruct_field field;
static struct msg_cstruct table;

static void refused(const char *words)
{
	struct msg_type *type;

	ck_assert_int_eq(
		msg_type_of_cstruct(&table, &type), -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(msg_error_text(), words) != NULL,
		"'%s' does not say '%s'", msg_error_text(), words);
}

static void reset(void)
{
	field = (struct msg_cstruct_field){
		"a", MSG_FIELD_INT32, 0, 4, 0, NULL};
	table = (struct msg_cstruct){"t", 8, &field, 1};
}

START_TEST(tables_that_cannot_be_are_refused)
{
	struct msg_cstruct_field two[2];

	reset();
	field.kind = 7;
	refused("enum msg_field_kind");
	reset();
	field.reserved = 1;
	refused("enum msg_field_kind");
	reset();
	field.bytes = 6;
	refused("multiple");
	reset();
	field.bytes = 0;
	refused("multiple");
	reset();
	field.offset = 6;
	refused("does not lie in it");
	reset();
	field.offset = UINT32_MAX;
	refused("does not lie in it");
	reset();
	field.name = "a-b";
	refused("no name");
	reset();
	field.name = NULL;
	refused("no name");
	reset();
	field.kind = MSG_FIELD_STRUCT;
	refused("of");
	reset();
	field.of = &table;
	refused("of");
	reset();
	/* It holds itself. */
	field.kind = MSG_FIELD_STRUCT;
	field.of = &table;
	refused("deeper than");
	reset();
	table.field_count = 0;
	refused("fields");
	reset();
	table.bytes = (16u << 20) + 1;
	refused("more than a message");
	reset();
	two[0] = two[1] = field;
	table.fields = two;
	table.field_count = 2;
	refused("two fields of one name");
}
END_TEST

START_TEST(arrays_of_arrays_are_bounded)
{
	static struct msg_cstruct_field fields[4];
	static struct msg_cstruct tables[4];

	/* 100 of 100 of 100 of 100 are too many; of 100 of 100 they are not. */
	for (int i = 0; i < 4; i++) {
		size_t inner = i ? tables[i - 1].bytes : 1;

		fields[i] = (struct msg_cstruct_field){"a",
			i ? MSG_FIELD_STRUCT : MSG_FIELD_INT8, 0,
			(uint32_t)(inner * 60), 0, i ? &tables[i - 1] : NULL};
		tables[i] = (struct msg_cstruct){
			"t", inner * 60, &fields[i], 1};
	}
	table = tables[3];
	refused("too many values");
	msg_type_close(open_type(&tables[1]));
}
END_TEST

START_TEST(mutated_schemas_are_read_or_refused)
{
	struct msg_type *type = open_type(&book_table);
	struct random_stream random = {check_seed()};
	size_t bytes;
	const void *schema = msg_type_schema(type, &bytes);
	unsigned good = 0;

	for (int i = 0; i < 100000; i++) {
		size_t cut = random_chance(&random, 900)
				     ? bytes
				     : random_below(&random, bytes);
		uint8_t *copy = malloc(cut + 1);
		struct msg_cstruct_schema read;

		memcpy(copy, schema, cut);
		for (uint64_t n = random_below(&random, 3); n > 0 && cut; n--)
			copy[random_below(&random, cut)] =
				(uint8_t)random_next(&random);
		if (msg_cstruct_read(&read, copy, cut) == 0) {
			good++;
			msg_cstruct_close(&read);
		}
		free(copy);
	}
	ck_assert_uint_gt(good, 1000);
	msg_type_close(type);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cstruct");
	TCase *tables = check_case(suite, "table", 30);

	tcase_add_test(tables, a_struct_is_shown_as_json);
	tcase_add_test(tables, the_schema_alone_is_enough);
	tcase_add_test(tables, it_is_printed_as_c);
	tcase_add_test(tables, a_message_of_another_size_is_refused);
	tcase_add_test(tables, text_ends_at_its_zero_or_at_its_array);
	tcase_add_test(tables, tables_that_cannot_be_are_refused);
	tcase_add_test(tables, arrays_of_arrays_are_bounded);
	tcase_add_test(tables, mutated_schemas_are_read_or_refused);
	return check_main(suite, NULL);
}
