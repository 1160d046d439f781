/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fault_types.c - types, their text, their messages and filters, while each
 * request for memory fails in turn: whoever asks is told MEMORY, nothing is left,
 * and the same works when there is memory again.
 */
#include <stdio.h>

#include <msg/type.h>

#include "check_main.h"
#include "faults.h"
#include "fresh.pb-c.h"

#define N_MAX 5000u

/* All that is done with a type, given back in the end; the first failure. */
static int use(struct msg_type *type, const void *data, size_t bytes,
	const char *condition)
{
	struct msg_type *again = NULL;
	struct msg_filter *filter;
	char text[4096];
	size_t schema_bytes;
	const void *schema = msg_type_schema(type, &schema_bytes);
	int result = msg_type_print(type, text, sizeof text);

	if (result > 0)
		result = msg_type_json(type, data, bytes, text, sizeof text);
	if (result > 0)
		result = msg_filter_open(type, condition, &filter);
	if (result == 0) {
		result = msg_filter_match(filter, data, bytes);
		msg_filter_close(filter);
	}
	if (result == 1)
		result = msg_type_of_schema(
			(enum msg_encoding)msg_type_encoding(type),
			msg_type_name(type), schema, schema_bytes, &again);
	msg_type_close(again);
	return result;
}

struct point {
	double x;
	int32_t n;
	char name[4];
};

static int use_cstruct(void)
{
	static const struct msg_cstruct_field fields[] = {
		MSG_CSTRUCT_FIELD(struct point, x, MSG_FIELD_DOUBLE),
		MSG_CSTRUCT_FIELD(struct point, n, MSG_FIELD_INT32),
		MSG_CSTRUCT_FIELD(struct point, name, MSG_FIELD_CHAR),
	};
	static const struct msg_cstruct table = {
		"point", sizeof(struct point), fields, 3};
	static const struct point point = {0.5, -3, "ab"};
	struct msg_type *type;
	int result = msg_type_of_cstruct(&table, &type);

	if (result < 0)
		return result;
	result = use(type, &point, sizeof point, "x == 0.5 and name == 'ab'");
	msg_type_close(type);
	return result;
}

static int use_protobuf(void)
{
	Fresh__Parts__Value value = FRESH__PARTS__VALUE__INIT;
	uint8_t packed[64];
	struct msg_type *type;
	int result = msg_type_of_protobuf(
		&fresh__parts__value__descriptor, &type);

	if (result < 0)
		return result;
	value.number = 1.25;
	value.unit = FRESH__PARTS__UNIT__SECOND;
	result = use(type, packed, fresh__parts__value__pack(&value, packed),
		"number > 1 and unit == SECOND");
	msg_type_close(type);
	return result;
}

static void fail_each(int (*work)(void))
{
	unsigned faults = 0;

	for (int for_good = 0; for_good < 2; for_good++) {
		bool failed = true;

		for (unsigned n = 1; failed; n++) {
			int result;

			ck_assert_uint_lt(n, N_MAX);
			faults_begin(n, for_good);
			result = INSIDE(work());
			failed = faults_end();
			ck_assert_msg(failed ? result == -MSG_ERROR_MEMORY
					     : result == 0,
				"fault %u%s: %d, %s", n,
				for_good ? " and on" : "", result,
				msg_error_text());
			ck_assert_int_eq(faults_live, 0);
			ck_assert_int_eq(INSIDE(work()), 0);
			faults += failed;
		}
	}
	/* Of a type, text, filter and walk, both times. */
	ck_assert_uint_ge(faults, 10);
	printf("%u faults\n", faults);
}

START_TEST(structs)
{
	fail_each(use_cstruct);
}
END_TEST

START_TEST(protobuf_messages)
{
	fail_each(use_protobuf);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults, types");
	TCase *types = check_case(suite, "types", 60);

	tcase_add_test(types, structs);
	tcase_add_test(types, protobuf_messages);
	return check_main(suite, NULL);
}
