/* SPDX-License-Identifier: BSD-2-Clause */
/* test_filter.c - conditions on messages; see schema/filter.h. */
#include "types.h"

#include <math.h>

#include <protobuf-c/protobuf-c.h>

#include "check_main.h"
#include "fresh.pb-c.h"
#include "old.pb-c.h"

static struct msg_type *order_type, *table_type;
static uint8_t packed[4096];
static size_t packed_bytes;

static void set_up(void)
{
	Old__V1__Order order = OLD__V1__ORDER__INIT;
	Old__V1__Order__Leg first = OLD__V1__ORDER__LEG__INIT;
	Old__V1__Order__Leg second = OLD__V1__ORDER__LEG__INIT;
	Old__V1__Order__Leg *legs[] = {&first, &second};
	int64_t deltas[] = {-1, 0, 5};

	order_type = types_read("old.v1.Order");
	table_type = types_read("fresh.v1.Table");
	order.id = UINT64_MAX;
	order.text = (char[]){"ACME"};
	order.has_raw = 1;
	order.raw = (ProtobufCBinaryData){2, (uint8_t *)(char[]){"ab"}};
	order.has_side = 1;
	order.side = OLD__V1__SIDE__UNKNOWN;
	order.price_case = OLD__V1__ORDER__PRICE_LIMIT;
	order.limit = 10.5;
	order.has_hidden = 1;
	order.hidden = 1;
	order.has_i64 = 1;
	order.i64 = INT64_MIN;
	order.has_real = 1;
	order.real = 0.1f;
	order.has_i32 = 1;
	order.i32 = 0;
	first.venue = (char[]){"X"};
	second.venue = (char[]){"Y"};
	second.has_ratio = 1;
	second.ratio = 2;
	order.n_legs = 2;
	order.legs = legs;
	order.n_deltas = 3;
	order.deltas = deltas;
	packed_bytes = protobuf_c_message_pack(&order.base, packed);
}

static void tear_down(void)
{
	msg_type_close(order_type);
	msg_type_close(table_type);
}

static int match(const struct msg_type *type, const char *text)
{
	struct msg_filter *filter;
	int result = msg_filter_open(type, text, &filter);

	ck_assert_msg(result == 0, "%s: %s", text, msg_error_text());
	result = msg_filter_match(filter, packed, packed_bytes);
	msg_filter_close(filter);
	return result;
}

static const char *const true_ones[] = {
	"id == 18446744073709551615",
	"id == 0xffffffffffffffff",
	"id > 9223372036854775807",
	"id > -1",
	"id > 1.5",
	"id < 1e20",
	"id > 18446744073709549568.0",
	"i64 == -9223372036854775808",
	"i64 < 0",
	"i64 < -9.2e18",
	"i64 > -9.3e18",
	"i64 > -1e30",
	"text == 'ACME'",
	"text == \"ACME\"",
	"text != 'ACM'",
	"text > 'ACM'",
	"text < 'B'",
	"raw == 'ab'",
	"side == UNKNOWN",
	"side == -1",
	"side != BUY",
	"side < BUY",
	"limit > 10 and limit < 11",
	"limit>10&&limit<11",
	"limit >= 10.5 and limit <= 10.5",
	"limit == .105e2",
	"hidden",
	"hidden == true",
	"hidden == 1",
	"not i32",
	"i32 == 0",
	"i32 == -0",
	"i32 > -0.5 and i32 < 0.5",
	"!tags",
	"real == 0.1",
	"real > 0.09",
	"legs.venue == 'X' and legs.venue == 'Y'",
	"legs.venue != 'X'",
	"legs",
	"legs.ratio > 1",
	"not legs.legs",
	"deltas == 5 and deltas == -1",
	"deltas < 0",
	"deltas",
	"not parent",
	"not parent.id == 1",
	"not formula",
	"not (id == 1 or id == 2)",
	"id == 1 or id == 2 or text == 'ACME'",
	/* "and" binds more. */
	"id == 1 and id == 2 or text",
	"text or id == 1 and id == 2",
	"not not text",
	"((((text))))",
	" \t text \n",
	"real != 0.2",
};

static const char *const false_ones[] = {
	"id == 18446744073709551614",
	"id < 0",
	"id == 18446744073709551616",
	"i64 > 0",
	"text == 'acme'",
	"text == ''",
	"side == BUY",
	"limit == 10",
	"ticks == 0",
	"ticks != 0",
	"ticks",
	"not hidden",
	"hidden == false",
	"i32",
	"legs.ratio < 1",
	"legs.ratio == 0.5",
	"deltas > 5",
	"parent",
	"parent.id != 1",
	"text and not hidden",
	"not (text or id)",
};

START_TEST(conditions_hold_or_not)
{
	for (size_t i = 0; i < sizeof true_ones / sizeof *true_ones; i++)
		ck_assert_msg(match(order_type, true_ones[i]) == 1, "%s",
			true_ones[i]);
	for (size_t i = 0; i < sizeof false_ones / sizeof *false_ones; i++)
		ck_assert_msg(match(order_type, false_ones[i]) == 0, "%s",
			false_ones[i]);
}
END_TEST

START_TEST(keys_of_maps_are_names)
{
	Fresh__V1__Table table = FRESH__V1__TABLE__INIT;
	Fresh__V1__Table__CountsEntry one =
		FRESH__V1__TABLE__COUNTS_ENTRY__INIT;
	Fresh__V1__Table__ReadingsEntry reading =
		FRESH__V1__TABLE__READINGS_ENTRY__INIT;
	Fresh__V1__Table__CountsEntry *counts[] = {&one};
	Fresh__V1__Table__ReadingsEntry *readings[] = {&reading};
	Fresh__V1__Reading value = FRESH__V1__READING__INIT;

	one.key = (char[]){"a b"};
	one.value = 7;
	reading.key = 12;
	value.stamp = 5;
	reading.value = &value;
	table.n_counts = table.n_readings = 1;
	table.counts = counts;
	table.readings = readings;
	packed_bytes = protobuf_c_message_pack(&table.base, packed);
	ck_assert_int_eq(match(table_type, "counts.'a b' == 7"), 1);
	ck_assert_int_eq(match(table_type, "counts.\"a b\" > 7"), 0);
	ck_assert_int_eq(match(table_type, "counts.and == 7"), 0);
	ck_assert_int_eq(match(table_type, "readings.12.stamp == 5"), 1);
	ck_assert_int_eq(match(table_type, "readings.13.stamp == 5"), 0);
	ck_assert_int_eq(match(table_type, "readings.12"), 1);
	ck_assert_int_eq(match(table_type, "readings"), 1);
	ck_assert_int_eq(match(table_type, "names"), 0);
}
END_TEST

static const struct {
	const char *text;
	const char *words; /* Of the sentence. */
} bad_ones[] = {
	{"", "missing at the end"},
	{"   ", "missing at the end"},
	{"prize > 10", "no field 'prize'"},
	{"limmit > 10", "did you mean 'limit'?"},
	{"side == BYU", "did you mean 'BUY'?"},
	{"legs.vanue", "did you mean 'venue'?"},
	{"limit >", "missing"},
	{"limit > >", "missing"},
	{"limit > 'x'", "is a number"},
	{"limit > x", "is a number"},
	{"text == ACME", "in quotes"},
	{"text == 5", "is text"},
	{"text == 'ACME", "missing"},
	{"legs == 1", "name a field of it"},
	{"text.x", "has no fields"},
	{"text text", "not expected"},
	{"(text", "not closed"},
	{"text)", "not expected"},
	{"not", "missing"},
	{"text and", "missing"},
	{"and text", "field's name"},
	{"1 < limit", "field's name"},
	{"limit > 1.2.3", "missing"},
	{"limit > 0x", "missing"},
	{"limit > 5x", "missing"},
	{"limit > -", "missing"},
	{"legs.", "behind the dot"},
	{"legs..venue", "behind the dot"},
	{"text = 'x'", "not expected"},
	{"text \x01", "not expected"},
	{"id == 1 & id == 2", "not expected"},
};

START_TEST(what_makes_no_sense_is_refused_in_words)
{
	for (size_t i = 0; i < sizeof bad_ones / sizeof *bad_ones; i++) {
		struct msg_filter *filter;
		int result =
			msg_filter_open(order_type, bad_ones[i].text, &filter);

		ck_assert_msg(
			result == -MSG_ERROR_ARGUMENT, "%s", bad_ones[i].text);
		ck_assert_msg(strstr(msg_error_text(), bad_ones[i].words) != NULL,
			"'%s': '%s' does not say '%s'", bad_ones[i].text,
			msg_error_text(), bad_ones[i].words);
	}
}
END_TEST

START_TEST(everything_is_bounded)
{
	struct msg_filter *filter;
	char text[2048];

	memset(text, '(', 40);
	strcpy(text + 40, "text");
	ck_assert_int_eq(
		msg_filter_open(order_type, text, &filter), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "too deep"));
	memset(text, '!', 1000);
	ck_assert_int_eq(
		msg_filter_open(order_type, text, &filter), -MSG_ERROR_ARGUMENT);
	*text = '\0';
	for (int i = 0; i < 65; i++)
		strcat(text, i ? " or text" : "text");
	ck_assert_int_eq(
		msg_filter_open(order_type, text, &filter), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "too many comparisons"));
	memset(text, ' ', 1025);
	text[1025] = '\0';
	ck_assert_int_eq(
		msg_filter_open(order_type, text, &filter), -MSG_ERROR_ARGUMENT);
	strcpy(text, "parent");
	for (int i = 0; i < 16; i++)
		strcat(text, ".parent");
	ck_assert_int_eq(
		msg_filter_open(order_type, text, &filter), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_error_text(), "too many names"));
}
END_TEST

START_TEST(a_message_of_another_type_is_refused)
{
	struct msg_filter *filter;

	ck_assert_int_eq(msg_filter_open(order_type, "text", &filter), 0);
	ck_assert_int_eq(
		msg_filter_match(filter, "\x08", 1), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_filter_match(filter, "", 0), -MSG_ERROR_ARGUMENT);
	msg_filter_close(filter);
	msg_filter_close(NULL);
}
END_TEST

START_TEST(a_filter_keeps_its_type)
{
	struct msg_type *type = types_read("old.v1.Order");
	struct msg_filter *filter;

	ck_assert_int_eq(msg_filter_open(type, "text", &filter), 0);
	msg_type_close(type);
	ck_assert_int_eq(
		msg_filter_match(filter, packed, packed_bytes), 1);
	msg_filter_close(filter);
}
END_TEST

struct point {
	double x;
	float y[2];
	char name[4];
};

START_TEST(structs_are_filtered_too)
{
	static const struct msg_cstruct_field fields[] = {
		MSG_CSTRUCT_FIELD(struct point, x, MSG_FIELD_DOUBLE),
		MSG_CSTRUCT_FIELD(struct point, y, MSG_FIELD_FLOAT),
		MSG_CSTRUCT_FIELD(struct point, name, MSG_FIELD_CHAR),
	};
	static const struct msg_cstruct table = {
		"point", sizeof(struct point), fields, 3};
	struct point point = {NAN, {0.1f, 7}, "ab"};
	struct msg_type *type;

	ck_assert_int_eq(msg_type_of_cstruct(&table, &type), 0);
	memcpy(packed, &point, sizeof point);
	packed_bytes = sizeof point;
	ck_assert_int_eq(match(type, "y == 0.1 and y == 7"), 1);
	ck_assert_int_eq(match(type, "name == 'ab'"), 1);
	ck_assert_int_eq(match(type, "x > 0 or x <= 0 or x == 0"), 0);
	ck_assert_int_eq(match(type, "x != 0"), 1);
	ck_assert_int_eq(match(type, "x"), 1);
	msg_type_close(type);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("filter");
	TCase *filter = check_case(suite, "filter", 10);

	tcase_add_checked_fixture(filter, set_up, tear_down);
	tcase_add_test(filter, conditions_hold_or_not);
	tcase_add_test(filter, keys_of_maps_are_names);
	tcase_add_test(filter, what_makes_no_sense_is_refused_in_words);
	tcase_add_test(filter, everything_is_bounded);
	tcase_add_test(filter, a_message_of_another_type_is_refused);
	tcase_add_test(filter, a_filter_keeps_its_type);
	tcase_add_test(filter, structs_are_filtered_too);
	return check_main(suite, NULL);
}
