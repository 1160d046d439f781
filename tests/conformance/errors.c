/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errors.c - every code that msg.h lists, and the words that go with it.
 *
 * Codes found elsewhere in the suite: AGAIN, TOO_LARGE, BUSY and TIMEOUT on the
 * steady path (loans, views, wake, life).  MEMORY and FABRIC need a failing
 * system: tests/fault.
 */
#include <signal.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* The text must name `word` and a next step, behind a semicolon or a colon. */
static void failed(int result, int code, const char *word)
{
	const char *text = msg_error_text();

	ck_assert_msg(result == -code, "%s instead of %s (%s)",
		msg_error_name(result), msg_error_name(code), text);
	ck_assert_msg(strstr(text, word), "'%s' does not name '%s'", text, word);
	ck_assert_msg(strpbrk(text, ";:(") || strstr(text, "must not be NULL"),
		"'%s' names no next step", text);
	ck_assert_ptr_null(strchr(text, '\n'));
}

static void refuse_node(
	const struct msg_node_options *o, int code, const char *word)
{
	struct msg_node *node = (void *)&node;

	failed(msg_node_open(o, &node), code, word);
	ck_assert_ptr_eq(node, (void *)&node);
}

START_TEST(bad_node_options_are_refused_in_words)
{
	struct msg_node_options good = node_options(), o;
	static const char *const groups[] = {"10.0.0.1+4", "239.0.0.1",
		"239.0.0.1+0", "239.0.0.1+4097", "239.0.0.1+-1",
		"239.255.255.255+2", "ff15::1", "fe80::1+4", "+4", "x+1",
		"239.0.0.1+4x"};

	o = good, o.struct_bytes = 4;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "MSG_NODE_OPTIONS");
	o = good, o.struct_bytes = SIZE_MAX;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "struct_bytes");
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		o = good, o.groups = groups[i];
		refuse_node(&o, MSG_ERROR_ARGUMENT, groups[i]);
	}
	o = good, o.port = 65536;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "port");
	o = good, o.ttl = 256;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "ttl");
	o = good, o.frame_bytes = 255;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "frame_bytes");
	o = good, o.frame_bytes = 65508;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "frame_bytes");
	o = good, o.lane = 3;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "lane");
	o = good, o.flags = 0x80000000u;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "flags");
	o = good, o.announce_ms = 9;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "announce_ms");
	o = good, o.announce_ms = 60001;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "announce_ms");
	o = good, o.device = NULL, o.interface = "no-such-one";
	refuse_node(&o, MSG_ERROR_DEVICE, "no-such-one");
	o = good, o.device = NULL, o.interface = "192.0.2.77";
	refuse_node(&o, MSG_ERROR_DEVICE, "192.0.2.77");
	o = good, o.device = "no_such0";
	refuse_node(&o, MSG_ERROR_DEVICE, "no_such0");
	o = good, o.device = "no_such0", o.lane = MSG_LANE_UDP;
	if (!lane.broker)
		refuse_node(&o, MSG_ERROR_ARGUMENT, "no_such0");
	o = good, o.broker = 4;
	refuse_node(&o, MSG_ERROR_ARGUMENT, "broker");
	o = good, o.broker = MSG_BROKER_REQUIRE, o.broker_name = "/no/such.sock";
	refuse_node(&o, MSG_ERROR_DEVICE, "msgbrokerd --socket /no/such.sock");
	o = good, o.broker = MSG_BROKER_AUTO, o.broker_name = "no/name";
	refuse_node(&o, MSG_ERROR_ARGUMENT, "name");
	failed(msg_node_open(&good, NULL), MSG_ERROR_ARGUMENT, "node");
}
END_TEST

START_TEST(bad_environment_is_refused_in_words)
{
	static const struct {
		const char *name;
		const char *value;
		int code;
	} table[] = {{"MSG_LANE", "carrier-pigeon", MSG_ERROR_ARGUMENT},
		{"MSG_PORT", "many", MSG_ERROR_ARGUMENT},
		{"MSG_PORT", "-1", MSG_ERROR_ARGUMENT},
		{"MSG_PORT", "99999999999", MSG_ERROR_ARGUMENT},
		{"MSG_TTL", "1 ", MSG_ERROR_ARGUMENT},
		{"MSG_GROUPS", "nonsense", MSG_ERROR_ARGUMENT},
		{"MSG_INTERFACE", "no-such-one", MSG_ERROR_DEVICE},
		{"MSG_DEVICE", "no_such0", MSG_ERROR_DEVICE}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		setenv(table[i].name, table[i].value, 1);
		refuse_node(NULL, table[i].code,
			table[i].code == MSG_ERROR_DEVICE ||
					strcmp(table[i].name, "MSG_GROUPS") == 0
				? table[i].value
				: table[i].name);
		unsetenv(table[i].name);
	}
}
END_TEST

/* A struct from the future: a field we do not know must be zero. */
START_TEST(options_of_another_version_are_understood)
{
	struct {
		struct msg_node_options o;
		uint64_t later;
	} larger = {.o = node_options(), .later = 0};
	struct msg_node_options smaller = node_options();
	struct msg_node *node;

	larger.o.struct_bytes = sizeof larger;
	ck_assert_int_eq(msg_node_open(&larger.o, &node), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
	larger.later = 1;
	refuse_node(&larger.o, MSG_ERROR_ARGUMENT, "newer libmsg");
	/* One from the past: what it does not have is the default. */
	smaller.struct_bytes = offsetof(struct msg_node_options, announce_ms);
	smaller.announce_ms = 12345678;
	ck_assert_int_eq(msg_node_open(&smaller, &node), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

START_TEST(bad_publisher_options_are_refused_in_words)
{
	struct msg_publisher_options good = MSG_PUBLISHER_OPTIONS, o;
	struct msg_node *node = open_node();
	struct msg_publisher *p = (void *)&p;
	char text[257];

	memset(text, 'x', 256);
	text[256] = '\0';
	good.topic = "fine";
	o = good, o.topic = NULL;
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT, "topic");
	o = good, o.topic = "";
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT, "topic");
	o = good, o.topic = "a..b";
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT, "a..b");
	o = good, o.topic = "a.*";
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT, "a.*");
	o = good, o.topic = text;
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT, "255");
	o = good, o.message_bytes_max = MSG_MESSAGE_BYTES_MAX + 1;
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT,
		"message_bytes_max");
	o = good, o.loan_count_max = 1;
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT,
		"loan_count_max");
	o = good, o.loan_count_max = 65537;
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT,
		"loan_count_max");
	o = good, o.struct_bytes = 0;
	failed(msg_publisher_open(node, &o, &p), MSG_ERROR_ARGUMENT,
		"MSG_PUBLISHER_OPTIONS");
	failed(msg_publisher_open(NULL, &good, &p), MSG_ERROR_ARGUMENT, "node");
	failed(msg_publisher_open(node, NULL, &p), MSG_ERROR_ARGUMENT,
		"options");
	failed(msg_publisher_open(node, &good, NULL), MSG_ERROR_ARGUMENT,
		"publisher");
	ck_assert_ptr_eq(p, (void *)&p);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

START_TEST(bad_subscriber_options_are_refused_in_words)
{
	struct msg_subscriber_options good = MSG_SUBSCRIBER_OPTIONS, o;
	struct msg_node *node = open_node();
	struct msg_subscriber *s = (void *)&s;

	good.topic = "fine";
	o = good, o.topic = NULL;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT, "topic");
	o = good, o.topic = "a.>.b";
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT, "a.>.b");
	o = good, o.message_bytes_max = MSG_MESSAGE_BYTES_MAX + 1;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT,
		"message_bytes_max");
	o = good, o.buffer_count = 15;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT,
		"buffer_count");
	o = good, o.buffer_count = 65537;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT,
		"buffer_count");
	o = good, o.message_bytes_max = 16u << 20, o.buffer_count = 64;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT,
		"buffer_count is 64");
	o = good, o.publisher_count_max = 65537;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT,
		"publisher_count_max");
	o = good, o.reorder_us = 1000001;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT,
		"reorder_us");
	o = good, o.struct_bytes = 1u << 20;
	failed(msg_subscriber_open(node, &o, &s), MSG_ERROR_ARGUMENT,
		"MSG_SUBSCRIBER_OPTIONS");
	failed(msg_subscriber_open(NULL, &good, &s), MSG_ERROR_ARGUMENT,
		"node");
	failed(msg_subscriber_open(node, NULL, &s), MSG_ERROR_ARGUMENT,
		"options");
	failed(msg_subscriber_open(node, &good, NULL), MSG_ERROR_ARGUMENT,
		"subscriber");
	ck_assert_ptr_eq(s, (void *)&s);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

START_TEST(bad_calls_on_the_directory_are_refused)
{
	struct msg_node *node = open_node();
	struct msg_directory *d = (void *)&d;

	failed(msg_directory_open(node, "a..", &d), MSG_ERROR_ARGUMENT, "a..");
	failed(msg_directory_open(NULL, NULL, &d), MSG_ERROR_ARGUMENT, "node");
	failed(msg_directory_open(node, NULL, NULL), MSG_ERROR_ARGUMENT,
		"directory");
	ck_assert_ptr_eq(d, (void *)&d);
	ck_assert_int_eq(msg_directory_open(node, NULL, &d), 0);
	failed(msg_directory_read(NULL, 0, NULL, 0), MSG_ERROR_ARGUMENT,
		"directory");
	failed(msg_directory_read(d, 0, NULL, 1), MSG_ERROR_ARGUMENT, "infos");
	failed(msg_directory_read(d, 0, NULL, -1), MSG_ERROR_ARGUMENT, "count");
	ck_assert_int_eq(msg_directory_read(d, 0, NULL, 0), 0);
	ck_assert_int_eq(msg_directory_close(d), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

START_TEST(bad_steady_calls_are_refused)
{
	struct msg_node *node = open_node();
	struct msg_subscriber *s = open_subscriber(node, "steady");
	struct msg_publisher *p = open_publisher(node, "steady", 100);
	struct msg_view view;

	ck_assert_int_eq(
		msg_subscriber_take(s, &view, 0), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(
		msg_subscriber_take(s, &view, -1), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(
		msg_subscriber_take(s, NULL, 1), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_publish(p, NULL, 1), -MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(msg_publish(p, NULL, 0), 0);
	ck_assert_int_eq(
		msg_publish(p, &view, 101), -MSG_ERROR_TOO_LARGE);
	view = take_one(s, 5 * S);
	ck_assert_uint_eq(view.bytes, 0);
	ck_assert_int_eq(msg_subscriber_copy(s, &view, NULL, 0), 0);
	msg_subscriber_release(s, &view, 1);
	close_all(node, p, s);
}
END_TEST

START_TEST(matching_answers_or_says_what_is_wrong)
{
	ck_assert_int_eq(msg_topic_match("a.*", "a.b"), 1);
	ck_assert_int_eq(msg_topic_match("a.*", "a.b.c"), 0);
	ck_assert_int_eq(msg_topic_match("a.>", "a.b.c"), 1);
	ck_assert_int_eq(msg_topic_match("a.>", "a"), 0);
	failed(msg_topic_match("a..", "a"), MSG_ERROR_ARGUMENT, "pattern");
	failed(msg_topic_match("a", "a.*"), MSG_ERROR_ARGUMENT, "topic");
	failed(msg_topic_match(NULL, "a"), MSG_ERROR_ARGUMENT, "pattern");
	failed(msg_topic_match("a", NULL), MSG_ERROR_ARGUMENT, "topic");
}
END_TEST

static void *read_text(void *unused)
{
	(void)unused;
	ck_assert_str_eq(msg_error_text(), "");
	return NULL;
}

START_TEST(a_thread_begins_without_an_error)
{
	pthread_t thread;

	ck_assert_int_lt(msg_topic_match("", ""), 0);
	ck_assert_str_ne(msg_error_text(), "");
	pthread_create(&thread, NULL, read_text, NULL);
	pthread_join(thread, NULL);
	ck_assert_str_ne(msg_error_text(), "");
}
END_TEST

START_TEST(words_for_codes_versions_and_counters)
{
	static const char *const names[] = {"MSG_ERROR_UNKNOWN",
		"MSG_ERROR_ARGUMENT", "MSG_ERROR_MEMORY", "MSG_ERROR_AGAIN",
		"MSG_ERROR_BUSY", "MSG_ERROR_FABRIC", "MSG_ERROR_DEVICE",
		"MSG_ERROR_TOO_LARGE", "MSG_ERROR_TIMEOUT",
		"MSG_ERROR_EVICTED", "MSG_ERROR_DENIED", "MSG_ERROR_UNKNOWN"};

	for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
		ck_assert_str_eq(msg_error_name(i), names[i]);
		ck_assert_str_eq(msg_error_name(-i), names[i]);
	}
	ck_assert_str_eq(msg_error_name(INT32_MIN), "MSG_ERROR_UNKNOWN");
	ck_assert_str_eq(msg_error_name(INT32_MAX), "MSG_ERROR_UNKNOWN");
	ck_assert_uint_eq(strspn(msg_version(), "0123456789."),
		strlen(msg_version()));
	for (int i = 0; i < MSG_COUNTER_COUNT; i++) {
		const struct msg_counter *c = msg_counter_describe(i);

		ck_assert_ptr_nonnull(c);
		ck_assert_str_ne(c->name, "");
		ck_assert_str_ne(c->meaning, "");
		ck_assert_str_ne(c->remedy, "");
	}
	ck_assert_ptr_null(msg_counter_describe(-1));
	ck_assert_ptr_null(msg_counter_describe(MSG_COUNTER_COUNT));
}
END_TEST

static const char *logged_id;

static void keep_id(void *context, enum msg_log_level level, const char *id,
	const char *text)
{
	ck_assert_ptr_eq(context, &logged_id);
	ck_assert(level >= MSG_LOG_ERROR && level <= MSG_LOG_DEBUG);
	ck_assert_str_ne(text, "");
	logged_id = id;
}

START_TEST(a_node_says_what_it_stands_on)
{
	struct msg_node_options o = node_options();
	struct msg_node_info info;
	struct msg_node *node;

	o.log = keep_id;
	o.log_context = &logged_id;
	node = open_node_as(&o);
	ck_assert_str_eq(logged_id, "node-open");
	msg_node_describe(node, &info);
	if (lane.broker && !on_network(node)) {
		ck_assert_str_eq(info.interface, "");
		CHECK_SKIP("this broker has no network to tell of");
	}
	ck_assert(info.lane == MSG_LANE_UDP || info.lane == MSG_LANE_VERBS);
	ck_assert_uint_eq(info.reserved, 0);
	if (lane.broker) {
		ck_assert_str_ne(info.broker, "");
		ck_assert_int_eq(kill((pid_t)info.broker_pid, 0), 0);
	} else {
		ck_assert_str_eq(info.broker, "");
		ck_assert_uint_eq(info.broker_pid, 0);
		ck_assert_uint_eq(info.port, o.port);
		ck_assert_str_eq(info.groups, o.groups);
	}
	ck_assert_str_ne(info.reason, "");
	ck_assert_str_ne(info.address, "");
	ck_assert_uint_ge(info.frame_bytes, 256);
	if (lane.device) {
		ck_assert_str_eq(info.device, lane.device);
	} else if (!lane.interface) {
		ck_assert_str_eq(info.device, "");
		ck_assert_str_eq(info.interface, "lo");
		ck_assert_str_eq(info.address, "127.0.0.1");
		/* A broker may have been told. */
		ck_assert(lane.broker || info.frame_bytes == 16384);
	}
	ck_assert_int_eq(msg_node_close(node), 0);
}
END_TEST

void add_errors(Suite *suite)
{
	TCase *errors = check_case(suite, "errors", 60);

	tcase_add_test(errors, bad_node_options_are_refused_in_words);
	tcase_add_test(errors, bad_environment_is_refused_in_words);
	tcase_add_test(errors, options_of_another_version_are_understood);
	tcase_add_test(errors, bad_publisher_options_are_refused_in_words);
	tcase_add_test(errors, bad_subscriber_options_are_refused_in_words);
	tcase_add_test(errors, bad_calls_on_the_directory_are_refused);
	tcase_add_test(errors, bad_steady_calls_are_refused);
	tcase_add_test(errors, matching_answers_or_says_what_is_wrong);
	tcase_add_test(errors, a_thread_begins_without_an_error);
	tcase_add_test(errors, words_for_codes_versions_and_counters);
	tcase_add_test(errors, a_node_says_what_it_stands_on);
}
