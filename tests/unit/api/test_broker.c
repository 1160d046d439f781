/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_broker.c - when a node stands on the broker: policy, name and what was
 * asked of the lane.
 */
#include <stdlib.h>
#include <string.h>

#include "api/broker.h"
#include "base/trail.h"
#include "check_main.h"
#include "fake_broker.h"

static struct msg_control_welcome welcome;
static char path[MSG_PLACE_PATH_BYTES];
static char passed[MSG_BROKER_PASSED_BYTES];

static int find(uint32_t policy, const struct msg_broker_wish *wish)
{
	static const struct msg_broker_wish any;
	struct msg_node_options options = MSG_NODE_OPTIONS;
	static struct fake_client client;
	int result;

	options.broker = policy;
	options.broker_name = fake_path;
	fake_serve(&client, NULL);
	result = msg_broker_find(&options, wish ? wish : &any, path, &welcome, passed);
	fake_served(&client);
	fake_hang_up(&client);
	return result;
}

START_TEST(a_broker_that_is_there_is_used)
{
	fake_open();
	ck_assert_int_eq(find(MSG_BROKER_DEFAULT, NULL), 1);
	ck_assert_str_eq(path, fake_path);
	ck_assert_str_eq(welcome.name, "fake");
	ck_assert_int_eq(find(MSG_BROKER_AUTO, NULL), 1);
	ck_assert_int_eq(find(MSG_BROKER_REQUIRE, NULL), 1);
	setenv("MSG_BROKER_POLICY", "require", 1);
	ck_assert_int_eq(find(MSG_BROKER_DEFAULT, NULL), 1);
	fake_close();
}
END_TEST

START_TEST(a_broker_of_another_lane_is_passed_by)
{
	static const struct {
		struct msg_broker_wish wish;
		int code;
		const char *word;
	} table[] = {
		{{.interface = "eth7"}, MSG_ERROR_DEVICE, "interface eth7"},
		{{.device = "rxe7"}, MSG_ERROR_DEVICE, "device rxe7"},
		{{.groups = "239.1.1.0+4"}, MSG_ERROR_ARGUMENT,
			"groups 239.1.1.0+4"},
		{{.lane = MSG_LANE_UDP}, MSG_ERROR_ARGUMENT, "the lane udp"},
		{{.port = 7}, MSG_ERROR_ARGUMENT, "port 7"},
	};

	fake_open();
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		ck_assert_int_eq(find(MSG_BROKER_AUTO, &table[i].wish), 0);
		ck_assert_msg(strstr(passed, table[i].word),
			"'%s' does not name '%s'", passed, table[i].word);
		ck_assert_int_eq(find(MSG_BROKER_REQUIRE, &table[i].wish),
			-table[i].code);
		ck_assert_msg(strstr(msg_trail_text(), table[i].word),
			"'%s' does not name '%s'", msg_trail_text(),
			table[i].word);
	}
	fake_close();
}
END_TEST

START_TEST(without_a_broker_only_who_requires_one_fails)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct msg_broker_wish any = {0};

	options.broker_name = "/nowhere/b.sock";
	ck_assert_int_eq(
		msg_broker_find(&options, &any, path, &welcome, passed), 0);
	ck_assert_str_eq(passed, "no broker is at /nowhere/b.sock");
	options.broker = MSG_BROKER_NEVER;
	ck_assert_int_eq(
		msg_broker_find(&options, &any, path, &welcome, passed), 0);
	ck_assert_str_eq(passed, "");
	options.broker = MSG_BROKER_REQUIRE;
	ck_assert_int_eq(msg_broker_find(&options, &any, path, &welcome, passed),
		-MSG_ERROR_DEVICE);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(),
		"start it: msgbrokerd --socket /nowhere/b.sock"));
	options.broker_name = "other";
	setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
	ck_assert_int_eq(msg_broker_find(&options, &any, path, &welcome, passed),
		-MSG_ERROR_DEVICE);
	ck_assert_ptr_nonnull(
		strstr(msg_trail_text(), "msgbrokerd --name other"));
}
END_TEST

/* Who named none does not hear that there is none. */
START_TEST(no_broker_is_no_news_unless_it_was_named)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct msg_broker_wish any = {0};

	setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
	setenv("MSG_BROKER", "test-nobody-has-this", 1);
	ck_assert_int_eq(
		msg_broker_find(&options, &any, path, &welcome, passed), 0);
	ck_assert_ptr_nonnull(strstr(passed, "test-nobody-has-this.sock"));
	unsetenv("MSG_BROKER");
	if (msg_broker_find(&options, &any, path, &welcome, passed) == 0)
		ck_assert_str_eq(passed, "");
}
END_TEST

START_TEST(nonsense_is_refused_in_words)
{
	struct msg_node_options options = MSG_NODE_OPTIONS;
	struct msg_broker_wish any = {0};

	options.broker = 4;
	ck_assert_int_eq(msg_broker_find(&options, &any, path, &welcome, passed),
		-MSG_ERROR_ARGUMENT);
	options.broker = MSG_BROKER_DEFAULT;
	setenv("MSG_BROKER_POLICY", "maybe", 1);
	ck_assert_int_eq(msg_broker_find(&options, &any, path, &welcome, passed),
		-MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "maybe"));
	setenv("MSG_BROKER_POLICY", "never", 1);
	setenv("MSG_BROKER", "a/b", 1);
	ck_assert_int_eq(msg_broker_find(&options, &any, path, &welcome, passed), 0);
	setenv("MSG_BROKER_POLICY", "auto", 1);
	ck_assert_int_eq(msg_broker_find(&options, &any, path, &welcome, passed),
		-MSG_ERROR_ARGUMENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("broker");
	TCase *choice = check_case(suite, "choice", 20);

	unsetenv("MSG_BROKER");
	unsetenv("MSG_BROKER_POLICY");
	tcase_add_test(choice, a_broker_that_is_there_is_used);
	tcase_add_test(choice, a_broker_of_another_lane_is_passed_by);
	tcase_add_test(choice, without_a_broker_only_who_requires_one_fails);
	tcase_add_test(choice, no_broker_is_no_news_unless_it_was_named);
	tcase_add_test(choice, nonsense_is_refused_in_words);
	return check_main(suite, NULL);
}
