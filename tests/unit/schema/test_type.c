/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_type.c - protobuf types from both sides, and what their messages say;
 * see schema/schema.h and <msg/type.h>.
 */
#include "types.h"

#include <float.h>
#include <locale.h>
#include <math.h>

#include <protobuf-c/protobuf-c.h>

#include "check_main.h"
#include "fresh.pb-c.h"
#include "old.pb-c.h"

static char text[1 << 16];
static uint8_t packed[1 << 16];

static struct msg_type *borrow(const ProtobufCMessageDescriptor *descriptor)
{
	struct msg_type *type;
	int result = msg_type_of_protobuf(descriptor, &type);

	ck_assert_msg(result == 0, "%s", msg_error_text());
	return type;
}

static size_t pack(const void *message)
{
	return protobuf_c_message_pack(message, packed);
}

static const char *json(const struct msg_type *type, size_t bytes)
{
	int result = msg_type_json(type, packed, bytes, text, sizeof text);

	ck_assert_msg(result >= 0, "%s", msg_error_text());
	ck_assert_uint_eq(strlen(text), (size_t)result);
	return text;
}

/* ---- one type, however it came ------------------------------------------ */

static const struct {
	const ProtobufCMessageDescriptor *descriptor;
	const char *name;
} pairs[] = {
	{&old__v1__order__descriptor, "old.v1.Order"},
	{&old__v1__order__leg__descriptor, "old.v1.Order.Leg"},
	{&fresh__v1__reading__descriptor, "fresh.v1.Reading"},
	{&fresh__v1__table__descriptor, "fresh.v1.Table"},
};
#define PAIRS (sizeof pairs / sizeof *pairs)

START_TEST(generated_code_and_protoc_have_one_hash)
{
	for (size_t i = 0; i < PAIRS; i++) {
		struct msg_type *ours = borrow(pairs[i].descriptor);
		struct msg_type *theirs = types_read(pairs[i].name);
		struct msg_type *again;
		size_t bytes;
		const void *schema = msg_type_schema(ours, &bytes);

		ck_assert_str_eq(msg_type_name(ours), pairs[i].name);
		ck_assert_int_eq(
			msg_type_encoding(ours), MSG_ENCODING_PROTOBUF);
		ck_assert_uint_ne(msg_type_hash(ours), 0);
		ck_assert_uint_eq(msg_type_hash(ours), msg_type_hash(theirs));
		/* What we write is read as the same. */
		ck_assert_int_eq(msg_type_of_schema(MSG_ENCODING_PROTOBUF,
					 pairs[i].name, schema, bytes, &again),
			0);
		ck_assert_uint_eq(msg_type_hash(ours), msg_type_hash(again));
		msg_type_close(again);
		msg_type_close(theirs);
		msg_type_close(ours);
	}
}
END_TEST

START_TEST(different_types_have_different_hashes)
{
	uint64_t hashes[PAIRS];

	for (size_t i = 0; i < PAIRS; i++) {
		struct msg_type *type = borrow(pairs[i].descriptor);

		hashes[i] = msg_type_hash(type);
		for (size_t j = 0; j < i; j++)
			ck_assert_uint_ne(hashes[i], hashes[j]);
		msg_type_close(type);
	}
}
END_TEST

/* ---- the descriptor ---------------------------------------------------- */

static void compare_default(const ProtobufCFieldDescriptor *a,
	const ProtobufCFieldDescriptor *b)
{
	const ProtobufCBinaryData *x = a->default_value;
	const ProtobufCBinaryData *y = b->default_value;

	/* Enums have one always here: the value that was defined first. */
	if (!a->default_value) {
		ck_assert(!b->default_value || b->type == PROTOBUF_C_TYPE_ENUM);
		return;
	}
	ck_assert_ptr_nonnull(b->default_value);
	switch (a->type) {
	case PROTOBUF_C_TYPE_STRING:
		ck_assert_str_eq(a->default_value, b->default_value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		ck_assert_uint_eq(x->len, y->len);
		ck_assert_mem_eq(x->data, y->data, x->len);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		ck_assert_mem_eq(a->default_value, b->default_value, 8);
		break;
	default:
		ck_assert_mem_eq(a->default_value, b->default_value, 4);
	}
}

static void compare_descriptors(const ProtobufCMessageDescriptor *a,
	const ProtobufCMessageDescriptor *b)
{
	ck_assert_str_eq(a->name, b->name);
	ck_assert_str_eq(a->short_name, b->short_name);
	ck_assert_str_eq(a->package_name, b->package_name);
	ck_assert_uint_eq(a->n_fields, b->n_fields);
	for (unsigned i = 0; i < a->n_fields; i++) {
		const ProtobufCFieldDescriptor *x = &a->fields[i];
		const ProtobufCFieldDescriptor *y = &b->fields[i];

		ck_assert_str_eq(x->name, y->name);
		ck_assert_uint_eq(x->id, y->id);
		ck_assert_int_eq(x->type, y->type);
		ck_assert_uint_eq(x->flags, y->flags);
		if (x->label != PROTOBUF_C_LABEL_NONE)
			ck_assert_int_eq(x->label, y->label);
		if (a->package_name[0] == 'o')
			compare_default(x, y);
		/* Found as generated code's are. */
		ck_assert_ptr_eq(
			protobuf_c_message_descriptor_get_field(b, x->id), y);
		ck_assert_ptr_eq(protobuf_c_message_descriptor_get_field_by_name(
					 b, x->name),
			y);
	}
}

START_TEST(the_descriptor_is_as_if_generated)
{
	for (size_t i = 0; i < PAIRS; i++) {
		struct msg_type *type = types_read(pairs[i].name);

		compare_descriptors(
			pairs[i].descriptor, msg_type_descriptor(type));
		msg_type_close(type);
	}
}
END_TEST

START_TEST(enums_are_found_by_number_and_name)
{
	struct msg_type *type = types_read("old.v1.Order");
	const ProtobufCEnumDescriptor *side =
		protobuf_c_message_descriptor_get_field_by_name(
			msg_type_descriptor(type), "side")
			->descriptor;

	ck_assert_str_eq(side->name, "old.v1.Side");
	for (int i = 0; i < 3; i++) {
		static const int numbers[] = {-1, 1, 2};
		static const char *const names[] = {"UNKNOWN", "BUY", "SELL"};

		ck_assert_str_eq(protobuf_c_enum_descriptor_get_value(
					 side, numbers[i])
					 ->name,
			names[i]);
		ck_assert_int_eq(protobuf_c_enum_descriptor_get_value_by_name(
					 side, names[i])
					 ->value,
			numbers[i]);
	}
	ck_assert_ptr_null(protobuf_c_enum_descriptor_get_value(side, 0));
	msg_type_close(type);
}
END_TEST

/* ---- messages ---------------------------------------------------------- */

/* One of everything. */
static size_t pack_order(void)
{
	Old__V1__Order order = OLD__V1__ORDER__INIT;
	Old__V1__Order parent = OLD__V1__ORDER__INIT;
	Old__V1__Order__Leg inner = OLD__V1__ORDER__LEG__INIT;
	Old__V1__Order__Leg leg = OLD__V1__ORDER__LEG__INIT;
	Old__V1__Order__Leg *legs[] = {&leg, &inner}, *inners[] = {&inner};
	Old__V1__Order__State states[] = {0, 1, 7};
	char *tags[] = {(char[]){"x\xff\""}, (char[]){""}};
	int64_t deltas[] = {INT64_MIN, -1, INT64_MAX};

	parent.id = UINT64_MAX;
	order.id = 12;
	order.text = (char[]){"prüf\x1b"};
	order.has_raw = 1;
	order.raw = (ProtobufCBinaryData){4, (uint8_t[]){0, 1, 2, 255}};
	order.has_side = 1;
	order.side = OLD__V1__SIDE__UNKNOWN;
	order.n_states = 3;
	order.states = states;
	inner.venue = (char[]){"in"};
	leg.venue = (char[]){"out"};
	leg.has_ratio = 1;
	leg.ratio = 0.1;
	leg.n_legs = 1;
	leg.legs = inners;
	order.n_legs = 2;
	order.legs = legs;
	order.price_case = OLD__V1__ORDER__PRICE_TICKS;
	order.ticks = -3;
	order.has_hidden = 1;
	order.has_i64 = 1;
	order.i64 = INT64_MIN;
	order.has_f64 = 1;
	order.f64 = UINT64_MAX;
	order.has_sf32 = 1;
	order.sf32 = INT32_MIN;
	order.has_real = 1;
	order.real = 0.1f;
	order.n_tags = 2;
	order.tags = tags;
	order.n_deltas = 3;
	order.deltas = deltas;
	order.parent = &parent;
	return pack(&order);
}

static const char order_json[] =
	"{\"id\":12,\"text\":\"prüf\\u001b\",\"raw\":\"AAEC/w==\","
	"\"side\":\"UNKNOWN\",\"states\":[\"OPEN\",\"DONE\",7],"
	"\"legs\":[{\"venue\":\"out\",\"ratio\":0.1,"
	"\"legs\":[{\"venue\":\"in\"}]},{\"venue\":\"in\"}],"
	"\"ticks\":-3,\"hidden\":true,\"i64\":-9223372036854775808,"
	"\"f64\":18446744073709551615,\"sf32\":-2147483648,\"real\":0.1,"
	"\"tags\":[\"x\\ufffd\\\"\",\"\"],"
	"\"deltas\":[-9223372036854775808,-1,9223372036854775807],"
	"\"parent\":{\"id\":18446744073709551615}}";

START_TEST(a_message_is_shown_as_json)
{
	struct msg_type *ours = borrow(&old__v1__order__descriptor);
	struct msg_type *theirs = types_read("old.v1.Order");
	size_t bytes = pack_order();

	ck_assert_str_eq(json(ours, bytes), order_json);
	ck_assert_str_eq(json(theirs, bytes), order_json);
	msg_type_close(theirs);
	msg_type_close(ours);
}
END_TEST

START_TEST(json_is_cut_as_snprintf_cuts)
{
	struct msg_type *type = types_read("old.v1.Order");
	size_t bytes = pack_order();
	char room[9] = "xxxxxxxx";

	ck_assert_int_eq(msg_type_json(type, packed, bytes, NULL, 0),
		(int)strlen(order_json));
	ck_assert_int_eq(msg_type_json(type, packed, bytes, room, 8),
		(int)strlen(order_json));
	ck_assert_str_eq(room, "{\"id\":1");
	msg_type_close(type);
}
END_TEST

START_TEST(without_presence_zero_is_shown)
{
	struct msg_type *type = types_read("fresh.v1.Reading");

	ck_assert_str_eq(json(type, 0),
		"{\"sensor\":\"\",\"stamp\":0,\"valid\":false,\"level\":0,"
		"\"unit\":\"METRE\",\"blob\":\"\"}");
	msg_type_close(type);
}
END_TEST

START_TEST(a_map_is_an_object)
{
	struct msg_type *type = types_read("fresh.v1.Table");
	Fresh__V1__Table table = FRESH__V1__TABLE__INIT;
	Fresh__V1__Table__CountsEntry one =
		FRESH__V1__TABLE__COUNTS_ENTRY__INIT;
	Fresh__V1__Table__CountsEntry none =
		FRESH__V1__TABLE__COUNTS_ENTRY__INIT;
	Fresh__V1__Table__ReadingsEntry reading =
		FRESH__V1__TABLE__READINGS_ENTRY__INIT;
	Fresh__V1__Table__NamesEntry name = FRESH__V1__TABLE__NAMES_ENTRY__INIT;
	Fresh__V1__Table__CountsEntry *counts[] = {&one, &none};
	Fresh__V1__Table__ReadingsEntry *readings[] = {&reading};
	Fresh__V1__Table__NamesEntry *names[] = {&name};

	one.key = (char[]){"a\"b"};
	one.value = -1;
	reading.key = -5;
	name.key = 1;
	name.value = (char[]){"yes"};
	table.n_counts = 2;
	table.counts = counts;
	table.n_readings = 1;
	table.readings = readings;
	table.n_names = 1;
	table.names = names;
	ck_assert_str_eq(json(type, pack(&table)),
		"{\"counts\":{\"a\\\"b\":-1,\"\":0},\"readings\":{\"-5\":{}},"
		"\"names\":{\"true\":\"yes\"}}");
	msg_type_close(type);
}
END_TEST

START_TEST(numbers_have_a_point_in_every_locale)
{
	static const char *const locales[] = {
		"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
	struct msg_type *type;
	bool found = false;

	for (size_t i = 0; i < 3 && !found; i++)
		found = setlocale(LC_ALL, locales[i]) != NULL;
	if (!found)
		CHECK_SKIP("no locale with a comma here");
	type = types_read("old.v1.Order");
	ck_assert_str_eq(json(type, pack_order()), order_json);
	msg_type_close(type);
}
END_TEST

START_TEST(reals_are_given_back_by_their_digits)
{
	static const double reals[] = {0, -0.0, 1e300, DBL_MIN, 1.0 / 3,
		123456789.123456789, 5e-324};
	struct msg_type *type = types_read("fresh.parts.Value");
	uint64_t seed = check_seed();
	struct random_stream random = {seed};

	for (int i = 0; i < 2000; i++) {
		Fresh__Parts__Value value = FRESH__PARTS__VALUE__INIT;
		uint64_t bits = random_next(&random);
		const char *line;

		if (i < 7)
			value.number = reals[i];
		else
			memcpy(&value.number, &bits, sizeof bits);
		if (isnan(value.number) || isinf(value.number))
			continue;
		line = json(type, pack(&value));
		ck_assert_msg(strtod(line + strlen("{\"number\":"), NULL) ==
				      value.number,
			"seed %llu: %s", (unsigned long long)seed, line);
	}
	msg_type_close(type);
}
END_TEST

START_TEST(what_is_no_number_in_json_is_text)
{
	struct msg_type *type = types_read("fresh.parts.Value");
	Fresh__Parts__Value value = FRESH__PARTS__VALUE__INIT;

	value.number = -INFINITY;
	ck_assert_str_eq(json(type, pack(&value)),
		"{\"number\":\"-Infinity\",\"unit\":\"METRE\"}");
	value.number = NAN;
	ck_assert_str_eq(json(type, pack(&value)),
		"{\"number\":\"NaN\",\"unit\":\"METRE\"}");
	msg_type_close(type);
}
END_TEST

START_TEST(unknown_fields_are_left_out)
{
	struct msg_type *type = types_read("fresh.parts.Value");
	struct msg_type *more = types_read("fresh.v1.Reading");
	static const uint8_t message[] = {
		0xf8, 0x01, 0x05,             /* 31: a varint. */
		0x92, 0x03, 0x02, 0x08, 0x01, /* 50: some bytes. */
		0x10, 0x01,                   /* unit: SECOND. */
	};

	memcpy(packed, message, sizeof message);
	ck_assert_str_eq(json(type, sizeof message),
		"{\"number\":0,\"unit\":\"SECOND\"}");
	msg_type_close(more);
	msg_type_close(type);
}
END_TEST

static int stop_at_third(void *context, const struct msg_value *value)
{
	(void)value;
	return ++*(int *)context == 3 ? 42 : 0;
}

START_TEST(a_walk_ends_where_it_is_told)
{
	struct msg_type *type = types_read("old.v1.Order");
	int calls = 0;

	ck_assert_int_eq(msg_type_walk(type, packed, pack_order(),
				 stop_at_third, &calls),
		42);
	ck_assert_int_eq(calls, 3);
	msg_type_close(type);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct msg_type *type = types_read("fresh.parts.Value");
	struct msg_type *untouched = type;
	ProtobufCMessageDescriptor odd = *msg_type_descriptor(type);

	ck_assert_int_eq(
		msg_type_of_protobuf(NULL, &untouched), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_type_of_schema(MSG_ENCODING_NONE, "x", "", 0,
				 &untouched),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_type_of_schema(MSG_ENCODING_PROTOBUF, NULL, "", 0,
				 &untouched),
		-MSG_ERROR_ARGUMENT);
	odd.magic = 1;
	ck_assert_int_eq(
		msg_type_of_protobuf(&odd, &untouched), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_type_json(NULL, "", 0, text, 1),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_type_walk(type, "", 0, NULL, NULL),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_type_print(type, NULL, 1), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_eq(untouched, type);
	msg_type_close(type);
	msg_type_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("type");
	TCase *schema = check_case(suite, "schema", 10);
	TCase *message = check_case(suite, "message", 10);

	tcase_add_test(schema, generated_code_and_protoc_have_one_hash);
	tcase_add_test(schema, different_types_have_different_hashes);
	tcase_add_test(schema, the_descriptor_is_as_if_generated);
	tcase_add_test(schema, enums_are_found_by_number_and_name);
	tcase_add_test(schema, bad_arguments_are_refused);
	tcase_add_test(message, a_message_is_shown_as_json);
	tcase_add_test(message, json_is_cut_as_snprintf_cuts);
	tcase_add_test(message, without_presence_zero_is_shown);
	tcase_add_test(message, a_map_is_an_object);
	tcase_add_test(message, numbers_have_a_point_in_every_locale);
	tcase_add_test(message, reals_are_given_back_by_their_digits);
	tcase_add_test(message, what_is_no_number_in_json_is_text);
	tcase_add_test(message, unknown_fields_are_left_out);
	tcase_add_test(message, a_walk_ends_where_it_is_told);
	return check_main(suite, NULL);
}
