/* SPDX-License-Identifier: BSD-2-Clause */
/* types.c - typed topics: fetched, decoded, and expected; see <msg/type.h>. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/type.h>

#include "fresh.pb-c.h"
#include "harness.h"

struct point {
	double x;
	int32_t n;
	char name[4];
};

static const struct msg_cstruct_field point_fields[] = {
	MSG_CSTRUCT_FIELD(struct point, x, MSG_FIELD_DOUBLE),
	MSG_CSTRUCT_FIELD(struct point, n, MSG_FIELD_INT32),
	MSG_CSTRUCT_FIELD(struct point, name, MSG_FIELD_CHAR),
};
static const struct msg_cstruct point_table = {
	"point", sizeof(struct point), point_fields, 3};
/* The same bytes, of which it knows one field less. */
static const struct msg_cstruct other_table = {
	"point", sizeof(struct point), point_fields, 2};

static struct msg_type *cstruct_type(const struct msg_cstruct *table)
{
	struct msg_type *type;
	int result = msg_type_of_cstruct(table, &type);

	ck_assert_msg(result == 0, "%s", msg_error_text());
	return type;
}

/* Who publishes answers from its thread: the test's own waits. */
static struct msg_node *open_answering_node(void)
{
	struct msg_node_options options = node_options();

	options.flags |= MSG_NODE_PROGRESS_THREAD;
	return open_node_as(&options);
}

static struct msg_publisher *open_typed(struct msg_node *node,
	const char *topic, const struct msg_type *type)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;

	options.topic = topic;
	options.type = type;
	return open_publisher_as(node, &options);
}

static struct msg_type *fetch(struct msg_node *node, const char *topic)
{
	struct msg_directory *directory;
	struct msg_type *type;
	int result = msg_directory_open(node, topic, &directory);

	ck_assert_msg(result == 0, "%s", msg_error_text());
	result = msg_type_fetch(directory, topic, 0,
		(int64_t)(10e9 * lane.patience), &type);
	ck_assert_msg(result == 0, "%s", msg_error_text());
	msg_directory_close(directory);
	return type;
}

static void check_json(const struct msg_type *type,
	struct msg_subscriber *subscriber, const char *wanted)
{
	struct msg_view view =
		take_one(subscriber, (int64_t)(5e9 * lane.patience));
	char text[512];
	int result = msg_type_json(
		type, view.data, view.bytes, text, sizeof text);

	ck_assert_msg(result > 0, "%s", msg_error_text());
	ck_assert_str_eq(text, wanted);
	msg_subscriber_release(subscriber, &view, 1);
}

START_TEST(a_struct_is_read_by_who_never_saw_it)
{
	struct msg_node *node = open_answering_node(), *other = open_node();
	struct msg_subscriber *s = open_subscriber(other, "typed.point");
	struct msg_type *type = cstruct_type(&point_table), *fetched;
	struct msg_publisher *p = open_typed(node, "typed.point", type);
	const struct point point = {0.5, -3, "ab"};

	fetched = fetch(other, "typed.point");
	ck_assert_str_eq(msg_type_name(fetched), "point");
	ck_assert_uint_eq(msg_type_hash(fetched), msg_type_hash(type));
	msg_type_close(type);
	meet_publishers(s, 1);
	ck_assert_int_eq(msg_publish(p, &point, sizeof point), 0);
	check_json(fetched, s, "{\"x\":0.5,\"n\":-3,\"name\":\"ab\"}");
	msg_type_close(fetched);
	msg_subscriber_close(s);
	msg_node_close(other);
	close_all(node, p, NULL);
}
END_TEST

START_TEST(a_protobuf_message_is_read_by_who_never_saw_it)
{
	struct msg_node *node = open_answering_node(), *other = open_node();
	struct msg_subscriber *s = open_subscriber(other, "typed.value");
	Fresh__Parts__Value value = FRESH__PARTS__VALUE__INIT;
	struct msg_type *type, *fetched;
	struct msg_publisher *p;
	uint8_t packed[64];

	ck_assert_int_eq(
		msg_type_of_protobuf(&fresh__parts__value__descriptor, &type),
		0);
	p = open_typed(node, "typed.value", type);
	msg_type_close(type);
	fetched = fetch(other, "typed.value");
	meet_publishers(s, 1);
	value.number = 1.25;
	value.unit = FRESH__PARTS__UNIT__SECOND;
	ck_assert_int_eq(msg_publish(p, packed,
				 fresh__parts__value__pack(&value, packed)),
		0);
	check_json(fetched, s, "{\"number\":1.25,\"unit\":\"SECOND\"}");
	msg_type_close(fetched);
	msg_subscriber_close(s);
	msg_node_close(other);
	close_all(node, p, NULL);
}
END_TEST

/* In some sixty parts, each asked for. */
START_TEST(a_large_schema_comes_whole)
{
	enum { COUNT = 860 };
	struct msg_node *node = open_answering_node(), *other = open_node();
	static struct msg_cstruct_field fields[COUNT];
	static char names[COUNT][64];
	struct msg_cstruct table = {"large", COUNT * 4, fields, COUNT};
	struct msg_type *type, *fetched;
	struct msg_publisher *p;
	size_t bytes, fetched_bytes;
	const void *schema, *fetched_schema;

	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof names[i], "%0*d", 62, i);
		names[i][0] = 'f';
		fields[i] = (struct msg_cstruct_field){names[i],
			MSG_FIELD_INT32, (uint32_t)i * 4, 4, 0, NULL};
	}
	type = cstruct_type(&table);
	schema = msg_type_schema(type, &bytes);
	ck_assert_uint_gt(bytes, 60000);
	p = open_typed(node, "typed.large", type);
	fetched = fetch(other, "typed.large");
	fetched_schema = msg_type_schema(fetched, &fetched_bytes);
	ck_assert_uint_eq(bytes, fetched_bytes);
	ck_assert_mem_eq(schema, fetched_schema, bytes);
	msg_type_close(type);
	msg_type_close(fetched);
	msg_node_close(other);
	close_all(node, p, NULL);
}
END_TEST

START_TEST(the_directory_says_who_names_which_type)
{
	struct msg_node *node = open_answering_node();
	struct msg_type *type = cstruct_type(&point_table);
	struct msg_publisher *p = open_typed(node, "typed.point", type);
	struct msg_publisher *untyped = open_publisher(node, "typed.none", 0);
	int64_t limit = now_ns() + (int64_t)(5e9 * lane.patience);
	struct msg_directory *directory;
	struct msg_topic_info infos[2];
	struct msg_type *none;

	ck_assert_int_eq(msg_directory_open(node, "typed.>", &directory), 0);
	while (msg_directory_read(directory, 50 * MS, infos, 2) != 2)
		ck_assert(now_ns() < limit);
	ck_assert_str_eq(infos[0].topic, "typed.none");
	ck_assert_str_eq(infos[0].type_name, "");
	ck_assert_uint_eq(infos[0].type_hash, 0);
	ck_assert_uint_eq(infos[0].encoding, MSG_ENCODING_NONE);
	ck_assert_str_eq(infos[1].type_name, "point");
	ck_assert_uint_eq(infos[1].type_hash, msg_type_hash(type));
	ck_assert_uint_eq(infos[1].encoding, MSG_ENCODING_CSTRUCT);
	ck_assert_int_eq(
		msg_type_fetch(directory, "typed.none", 0, 100 * MS, &none),
		-MSG_ERROR_TIMEOUT);
	ck_assert_int_eq(msg_type_fetch(directory, "typed.point",
				 msg_type_hash(type) + 1, 100 * MS, &none),
		-MSG_ERROR_TIMEOUT);
	ck_assert_int_eq(
		msg_type_fetch(directory, "elsewhere", 0, 100 * MS, &none),
		-MSG_ERROR_ARGUMENT);
	msg_directory_close(directory);
	msg_publisher_close(untyped);
	msg_type_close(type);
	close_all(node, p, NULL);
}
END_TEST

/* ---- what a subscriber expects ------------------------------------------ */

static _Atomic unsigned mismatches;

static void count_mismatches(void *context, enum msg_log_level level,
	const char *id, const char *text)
{
	(void)context;
	(void)level;
	(void)text;
	mismatches += strcmp(id, "type-mismatch") == 0;
}

/* Two publishers, one of the type expected, send ten messages each; how many of
 * them come. */
static void exchange(const char *topic, uint32_t policy, unsigned of_type,
	unsigned of_other)
{
	struct msg_node_options options = node_options();
	struct msg_subscriber_options wanted = MSG_SUBSCRIBER_OPTIONS;
	struct msg_type *type = cstruct_type(&point_table);
	struct msg_type *other_type = cstruct_type(&other_table);
	struct msg_node *node = open_answering_node(), *other;
	struct msg_publisher *p[2];
	const struct point point = {1, 2, "z"};
	unsigned got[2] = {0, 0};
	struct msg_subscriber *s;

	ck_assert_uint_ne(msg_type_hash(type), msg_type_hash(other_type));
	options.log = count_mismatches;
	mismatches = 0;
	other = open_node_as(&options);
	wanted.topic = topic;
	wanted.type = type;
	wanted.type_policy = policy;
	s = open_subscriber_as(other, &wanted);
	p[0] = open_typed(node, topic, type);
	p[1] = open_typed(node, topic, other_type);
	meet_publishers(s, 2);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(
			msg_publish(p[i % 2], &point, sizeof point), 0);
	while (got[0] + got[1] < of_type + of_other) {
		struct msg_view view =
			take_one(s, (int64_t)(5e9 * lane.patience));

		got[view.publisher == msg_publisher_id(p[1])]++;
		msg_subscriber_release(s, &view, 1);
	}
	ck_assert(stays_silent(s, 100 * MS));
	ck_assert_uint_eq(got[0], of_type);
	ck_assert_uint_eq(got[1], of_other);
	ck_assert_uint_eq(mismatches, 1);
	ck_assert_uint_eq(
		counted(s, MSG_COUNTER_TYPE_REFUSED), 10 - of_other);
	msg_type_close(type);
	msg_type_close(other_type);
	msg_subscriber_close(s);
	msg_node_close(other);
	msg_publisher_close(p[1]);
	close_all(node, p[0], NULL);
}

START_TEST(another_type_is_warned_of)
{
	exchange("typed.warned", MSG_TYPE_DEFAULT, 10, 10);
}
END_TEST

START_TEST(another_type_is_refused)
{
	exchange("typed.refused", MSG_TYPE_REFUSE, 10, 0);
}
END_TEST

/* Views until `limit` is over, or one of another type was told of; of messages,
 * which must be of `publisher`, how many. */
static unsigned sort_out(struct msg_subscriber *s, uint64_t publisher,
	uint64_t other, int64_t limit, unsigned *told)
{
	int64_t end = now_ns() + limit;
	unsigned messages = 0, before = *told;

	while (now_ns() < end && (before > 0 || *told == 0)) {
		struct msg_view view;

		if (msg_subscriber_take(s, &view, 1) == 0) {
			int result = msg_subscriber_wait(s, 20 * MS);

			ck_assert(result == 0 || result == -MSG_ERROR_TIMEOUT);
			continue;
		}
		ck_assert_str_eq(msg_subscriber_topic(s, &view), "told.point");
		if (view.event == MSG_EVENT_MESSAGE) {
			ck_assert_uint_eq(view.publisher, publisher);
			messages++;
		} else if (view.event == MSG_EVENT_OTHER_TYPE) {
			ck_assert_uint_eq(view.publisher, other);
			ck_assert_uint_eq(view.bytes, 0);
			ck_assert_uint_eq(view.sequence, 0);
			++*told;
		} else {
			/* Who does not run for three heartbeats, 20 ms each, is
			 * silent, and joins again; of the same program there is
			 * another, which may seem to follow him. */
			ck_assert(view.event == MSG_EVENT_JOINED ||
				  view.event == MSG_EVENT_SILENT ||
				  view.event == MSG_EVENT_RESTARTED);
		}
		msg_subscriber_release(s, &view, 1);
	}
	return messages;
}

/* To who sleeps, before anything is sent; then the messages of the one that is of
 * the type come, and it is not told again. */
START_TEST(another_type_is_told_in_line)
{
	struct msg_subscriber_options wanted = MSG_SUBSCRIBER_OPTIONS;
	struct msg_type *type = cstruct_type(&point_table);
	struct msg_type *other_type = cstruct_type(&other_table);
	struct msg_node *node = open_answering_node(), *other = open_node();
	const struct point point = {1, 2, "z"};
	struct msg_publisher *p[2];
	struct msg_subscriber *s;
	unsigned told = 0, messages;
	int64_t limit;

	wanted.topic = "told.*";
	wanted.type = type;
	wanted.type_policy = MSG_TYPE_REFUSE;
	wanted.events = 1;
	s = open_subscriber_as(other, &wanted);
	p[0] = open_typed(node, "told.point", type);
	p[1] = open_typed(node, "told.point", other_type);
	ck_assert_uint_eq(sort_out(s, msg_publisher_id(p[0]),
				  msg_publisher_id(p[1]),
				  (int64_t)(10e9 * lane.patience), &told),
		0);
	ck_assert_uint_eq(told, 1);
	/* Of a topic with connections, both are to be there. */
	sort_out(s, msg_publisher_id(p[0]), msg_publisher_id(p[1]),
		lane.rc ? 1000 * MS : 0, &told);
	limit = now_ns() + (int64_t)(10e9 * lane.patience);
	while (lane.rc && !lane.broker &&
		counted(s, MSG_COUNTER_PROBES) < 2 && now_ns() < limit)
		sort_out(s, msg_publisher_id(p[0]), msg_publisher_id(p[1]),
			20 * MS, &told);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(
			msg_publish(p[i % 2], &point, sizeof point), 0);
	messages = sort_out(s, msg_publisher_id(p[0]), msg_publisher_id(p[1]),
		500 * MS, &told);
	while (messages < 10 && now_ns() < limit)
		messages += sort_out(s, msg_publisher_id(p[0]),
			msg_publisher_id(p[1]), 100 * MS, &told);
	ck_assert_uint_eq(messages, 10);
	ck_assert_uint_eq(told, 1);
	msg_type_close(type);
	msg_type_close(other_type);
	msg_subscriber_close(s);
	msg_node_close(other);
	msg_publisher_close(p[1]);
	close_all(node, p[0], NULL);
}
END_TEST

START_TEST(policies_without_sense_are_refused)
{
	struct msg_subscriber_options wanted = MSG_SUBSCRIBER_OPTIONS;
	struct msg_type *type = cstruct_type(&point_table);
	struct msg_node *node = open_node();
	struct msg_subscriber *s;

	wanted.topic = "typed.point";
	wanted.type_policy = MSG_TYPE_REFUSE;
	ck_assert_int_eq(
		msg_subscriber_open(node, &wanted, &s), -MSG_ERROR_ARGUMENT);
	wanted.type = type;
	wanted.type_policy = MSG_TYPE_REFUSE + 1;
	ck_assert_int_eq(
		msg_subscriber_open(node, &wanted, &s), -MSG_ERROR_ARGUMENT);
	msg_type_close(type);
	close_all(node, NULL, NULL);
}
END_TEST

void add_types(Suite *suite)
{
	TCase *types = check_case(suite, "types", 60 * lane.patience);

	tcase_add_test(types, a_struct_is_read_by_who_never_saw_it);
	tcase_add_test(types, a_protobuf_message_is_read_by_who_never_saw_it);
	tcase_add_test(types, a_large_schema_comes_whole);
	tcase_add_test(types, the_directory_says_who_names_which_type);
	tcase_add_test(types, another_type_is_warned_of);
	tcase_add_test(types, another_type_is_refused);
	tcase_add_test(types, another_type_is_told_in_line);
	tcase_add_test(types, policies_without_sense_are_refused);
}
