/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hostile.c - schemas and messages of somebody who means no good; see
 * schema/read.c and schema/guard.c.
 *
 * Sets are made by hand, so that they can say what protoc never would.
 */
#include "types.h"

#include "check_main.h"
#include "schema/schema.h"

static struct msg_wire_out set;
static struct msg_type *never;

static void start(void)
{
	set.bytes = 0;
	set.limit = 4u << 20;
}

static size_t begin(uint32_t number)
{
	return msg_wire_begin(&set, number);
}

static void end(size_t at)
{
	msg_wire_end(&set, at);
}

static void put_field(const char *name, uint32_t number, uint32_t type,
	const char *type_name)
{
	size_t field = begin(2);

	msg_wire_put_text(&set, 1, name);
	msg_wire_put_count(&set, 3, number);
	msg_wire_put_count(&set, 4, 1);
	msg_wire_put_count(&set, 5, type);
	if (type_name)
		msg_wire_put_text(&set, 6, type_name);
	end(field);
}

static int read_set(const char *name, struct msg_type **type)
{
	return msg_type_of_schema(
		MSG_ENCODING_PROTOBUF, name, set.data, set.bytes, type);
}

/* It is refused, and the sentence holds these words. */
static void refused(const char *name, const char *words)
{
	ck_assert_int_eq(read_set(name, &never), -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(msg_error_text(), words) != NULL,
		"'%s' does not say '%s'", msg_error_text(), words);
}

/* ---- schemas ----------------------------------------------------------- */

START_TEST(a_mebibyte_is_refused_unread)
{
	uint8_t *large = calloc(1, 1 << 20);

	ck_assert_int_eq(msg_type_of_schema(MSG_ENCODING_PROTOBUF, "x", large,
				 1 << 20, &never),
		-MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "1048576"));
	free(large);
}
END_TEST

START_TEST(cut_anywhere_it_is_refused)
{
	size_t bytes;
	uint8_t *whole = types_set(&bytes);

	for (size_t i = 0; i < bytes; i++) {
		uint8_t *cut = malloc(i + 1);
		struct msg_type *type = NULL;
		int result;

		memcpy(cut, whole, i);
		result = msg_type_of_schema(
			MSG_ENCODING_PROTOBUF, "old.v1.Order", cut, i, &type);
		/* Files end at some byte, too; then it is not there, or is. */
		ck_assert(result == 0 || result == -MSG_ERROR_ARGUMENT);
		if (result == 0)
			msg_type_close(type);
		free(cut);
	}
	free(whole);
}
END_TEST

START_TEST(definitions_nest_only_so_deep)
{
	size_t levels[MSG_SCHEMA_NESTING_MAX + 2];

	for (uint32_t depth = MSG_SCHEMA_NESTING_MAX;
		depth <= MSG_SCHEMA_NESTING_MAX + 1; depth++) {
		size_t file;

		start();
		file = begin(1);
		for (uint32_t i = 0; i < depth; i++) {
			levels[i] = begin(i == 0 ? 4 : 3);
			msg_wire_put_text(&set, 1, "M");
		}
		for (uint32_t i = depth; i-- > 0;)
			end(levels[i]);
		end(file);
		if (depth > MSG_SCHEMA_NESTING_MAX) {
			refused("M", "deeper than 16");
		} else {
			ck_assert_int_eq(read_set("M", &never), 0);
			msg_type_close(never);
		}
	}
}
END_TEST

START_TEST(nested_a_hundred_thousand_times_it_is_refused)
{
	/* 03 lengths cannot nest so deep within 64 KiB, but the reader must
	 * not find that out by its own stack. */
	uint8_t *bomb = malloc(MSG_TYPE_SCHEMA_BYTES_MAX);
	size_t at = MSG_TYPE_SCHEMA_BYTES_MAX;
	size_t inside = 0;

	while (at > 8) {
		uint8_t head[8];
		size_t n = 0, left = inside;

		head[n++] = 3 << 3 | 2;
		for (; left > 127; left >>= 7)
			head[n++] = (uint8_t)(left | 128);
		head[n++] = (uint8_t)left;
		at -= n;
		memcpy(bomb + at, head, n);
		inside += n;
	}
	start();
	{
		size_t file = begin(1), message = begin(4);

		msg_wire_put(&set, bomb + at, inside);
		end(message);
		end(file);
	}
	ck_assert_int_eq(msg_type_of_schema(MSG_ENCODING_PROTOBUF, "M",
				 set.data, set.bytes, &never),
		-MSG_ERROR_ARGUMENT);
	set.bytes = set.bytes > MSG_TYPE_SCHEMA_BYTES_MAX
			    ? MSG_TYPE_SCHEMA_BYTES_MAX
			    : set.bytes;
	ck_assert_int_eq(read_set("M", &never), -MSG_ERROR_ARGUMENT);
	free(bomb);
}
END_TEST

/* A file with one message M, of which the caller puts the fields. */
static size_t file, message;

static void start_message(const char *syntax)
{
	start();
	file = begin(1);
	msg_wire_put_text(&set, 12, syntax);
	message = begin(4);
	msg_wire_put_text(&set, 1, "M");
}

static void end_message(void)
{
	end(message);
	end(file);
}

START_TEST(too_many_of_anything_is_refused)
{
	start();
	for (uint32_t i = 0; i <= MSG_SCHEMA_FILES_MAX; i++)
		end(begin(1));
	refused("M", "64 files");
	start();
	file = begin(1);
	for (uint32_t i = 0; i <= MSG_SCHEMA_MESSAGES_MAX; i++)
		end(begin(4));
	end(file);
	refused("M", "512 messages");
	start_message("proto2");
	for (uint32_t i = 0; i <= MSG_SCHEMA_FIELDS_MAX; i++)
		end(begin(2));
	end_message();
	refused("M", "4096 fields");
	start_message("proto2");
	for (uint32_t i = 0; i <= MSG_SCHEMA_ONEOFS_MAX; i++)
		end(begin(8));
	end_message();
	refused("M", "1024 oneofs");
	start_message("proto2");
	for (uint32_t i = 0; i <= MSG_SCHEMA_ENUMS_MAX; i++)
		end(begin(4));
	end_message();
	refused("M", "256 enums");
}
END_TEST

START_TEST(fields_that_cannot_be_are_refused)
{
	static const struct {
		const char *name;
		uint32_t number, type;
		const char *type_name;
		const char *words;
	} cases[] = {
		{"a b", 1, 5, NULL, "a name that is none"},
		{"1a", 1, 5, NULL, "a name that is none"},
		{"", 1, 5, NULL, "a name that is none"},
		{"a", 0, 5, NULL, "without a name or number"},
		{"a", 1u << 29, 5, NULL, "without a name or number"},
		{"a", 1, 0, NULL, "no type"},
		{"a", 1, 19, NULL, "no type"},
		{"a", 1, 11, NULL, "no type"},
		{"a", 1, 5, ".M", "no type"},
		{"a", 1, 10, ".M", "group"},
		{"a", 1, 11, "M", "not full"},
		{"a", 1, 11, ".", "not full"},
		{"a", 1, 11, ".Other", "lacks"},
		{"a", 1, 14, ".M", "lacks"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		start_message("proto2");
		put_field(cases[i].name, cases[i].number, cases[i].type,
			cases[i].type_name);
		end_message();
		refused("M", cases[i].words);
	}
}
END_TEST

START_TEST(what_is_there_twice_is_refused)
{
	start_message("proto2");
	put_field("a", 1, 5, NULL);
	put_field("b", 1, 5, NULL);
	end_message();
	refused("M", "both number 1");
	start_message("proto2");
	put_field("a", 1, 5, NULL);
	put_field("a", 2, 5, NULL);
	end_message();
	refused("M", "two fields 'a'");
	start_message("proto2");
	end(message);
	message = begin(4);
	msg_wire_put_text(&set, 1, "M");
	end_message();
	refused("M", "defines M twice");
}
END_TEST

START_TEST(other_oddities_are_refused)
{
	start_message("proto4");
	end_message();
	refused("M", "neither proto2 nor proto3");
	start_message("proto2");
	end_message();
	refused("N", "no message 'N'");
	/* The entry of a map that has no key. */
	start_message("proto2");
	put_field("value", 2, 5, NULL);
	{
		size_t options = begin(7);

		msg_wire_put_count(&set, 7, 1);
		end(options);
	}
	end_message();
	refused("M", "entry of a map");
	/* In a oneof that is not there. */
	start_message("proto2");
	{
		size_t field = begin(2);

		msg_wire_put_text(&set, 1, "a");
		msg_wire_put_count(&set, 3, 1);
		msg_wire_put_count(&set, 4, 1);
		msg_wire_put_count(&set, 5, 5);
		msg_wire_put_count(&set, 9, 3);
		end(field);
	}
	end_message();
	refused("M", "no oneof");
}
END_TEST

START_TEST(mutated_schemas_are_read_or_refused)
{
	size_t bytes;
	uint8_t *whole = types_set(&bytes);
	struct random_stream random = {check_seed()};
	unsigned good = 0;

	for (int i = 0; i < 20000; i++) {
		uint8_t *copy = malloc(bytes);
		struct msg_type *type;

		memcpy(copy, whole, bytes);
		for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--)
			copy[random_below(&random, bytes)] =
				(uint8_t)random_next(&random);
		if (msg_type_of_schema(MSG_ENCODING_PROTOBUF, "old.v1.Order",
			    copy, bytes, &type) == 0) {
			static char text[1 << 16];

			good++;
			ck_assert_int_gt(
				msg_type_print(type, text, sizeof text), 0);
			msg_type_close(type);
		}
		free(copy);
	}
	/* Else this would be no test of what comes behind the reader. */
	ck_assert_uint_gt(good, 100);
	free(whole);
}
END_TEST

/* ---- messages ---------------------------------------------------------- */

/* An order with a parent with a parent …, `depth` messages in all. */
static void nest(uint32_t depth)
{
	static const uint8_t id[] = {0x08, 0x01};

	start();
	msg_wire_put(&set, id, sizeof id);
	for (uint32_t i = 1; i < depth; i++) {
		struct msg_wire_out outer = {.limit = 4u << 20};

		msg_wire_put(&outer, id, sizeof id);
		msg_wire_put_bytes(
			&outer, 536870911, set.data, set.bytes);
		free(set.data);
		set = outer;
	}
}

static int json_of_set(const struct msg_type *type)
{
	return msg_type_json(type, set.data, set.bytes, NULL, 0);
}

START_TEST(messages_nest_only_so_deep)
{
	struct msg_type *type = types_read("old.v1.Order");

	nest(64);
	ck_assert_int_gt(json_of_set(type), 0);
	nest(65);
	ck_assert_int_eq(json_of_set(type), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "deeper than 64"));
	nest(5000);
	ck_assert_int_eq(json_of_set(type), -MSG_ERROR_ARGUMENT);
	msg_type_close(type);
}
END_TEST

START_TEST(a_message_cannot_cost_more_than_its_limit)
{
	struct msg_type *type = types_read("old.v1.Order");

	/* Legs take some twenty times the room they have on the wire. */
	start();
	msg_wire_put(&set, (uint8_t[]){0x08, 0x01}, 2);
	for (int i = 0; i < 1000000; i++)
		msg_wire_put(&set, (uint8_t[]){0x3a, 0x02, 0x0a, 0x00}, 4);
	ck_assert_int_eq(json_of_set(type), -MSG_ERROR_MEMORY);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "to unpack"));
	set.bytes = 2 + 4000 * 4;
	ck_assert_int_gt(json_of_set(type), 0);
	msg_type_close(type);
}
END_TEST

START_TEST(mutated_messages_are_shown_or_refused)
{
	struct msg_type *type = types_read("old.v1.Order");
	struct random_stream random = {check_seed()};
	unsigned good = 0, bad = 0;

	nest(6);
	for (int i = 0; i < 50000; i++) {
		size_t bytes = random_below(&random, set.bytes + 1);
		uint8_t *copy = malloc(bytes + 1);
		int result;

		memcpy(copy, set.data, bytes);
		for (uint64_t n = random_below(&random, 4); n > 0 && bytes; n--)
			copy[random_below(&random, bytes)] =
				(uint8_t)random_next(&random);
		result = msg_type_json(type, copy, bytes, NULL, 0);
		ck_assert(result > 0 || result == -MSG_ERROR_ARGUMENT);
		good += result > 0;
		bad += result < 0;
		free(copy);
	}
	ck_assert_uint_gt(good, 100);
	ck_assert_uint_gt(bad, 100);
	msg_type_close(type);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *schema = check_case(suite, "schema", 60);
	TCase *messages = check_case(suite, "message", 60);

	tcase_add_test(schema, a_mebibyte_is_refused_unread);
	tcase_add_test(schema, cut_anywhere_it_is_refused);
	tcase_add_test(schema, definitions_nest_only_so_deep);
	tcase_add_test(schema, nested_a_hundred_thousand_times_it_is_refused);
	tcase_add_test(schema, too_many_of_anything_is_refused);
	tcase_add_test(schema, fields_that_cannot_be_are_refused);
	tcase_add_test(schema, what_is_there_twice_is_refused);
	tcase_add_test(schema, other_oddities_are_refused);
	tcase_add_test(schema, mutated_schemas_are_read_or_refused);
	tcase_add_test(messages, messages_nest_only_so_deep);
	tcase_add_test(messages, a_message_cannot_cost_more_than_its_limit);
	tcase_add_test(messages, mutated_messages_are_shown_or_refused);
	return check_main(suite, NULL);
}
