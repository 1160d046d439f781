/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config.c - what may stand in msg.conf, and what is said of the rest.
 */
#include "broker/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trail.h"

#include <msg/msg.h>

#include "check_main.h"

static struct config *config;
static char path[] = "/tmp/msg-test-config-XXXXXX";

static void make(void)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	config = malloc(sizeof *config);
	ck_assert_ptr_nonnull(config);
	config_init(config);
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	for (int i = 0; i < CONFIG_SETTING_COUNT; i++)
		if (config_specs[i].environment)
			unsetenv(config_specs[i].environment);
}

static void drop(void)
{
	unlink(path);
	free(config);
}

static void write_bytes(const void *text, size_t bytes)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, bytes, file), bytes);
	ck_assert_int_eq(fclose(file), 0);
}

static int read_text(const char *text)
{
	write_bytes(text, strlen(text));
	return config_read_file(config, path, true);
}

/* The file is refused, and the trail is PATH:`line`: … `words` …. */
static void refused(const char *text, unsigned line, const char *words)
{
	char start[64];

	config_init(config);
	ck_assert_msg(read_text(text) == -MSG_ERROR_ARGUMENT,
		"taken: <%s>", text);
	snprintf(start, sizeof start, "%s:%u: ", path, line);
	ck_assert_msg(!strncmp(msg_trail_text(), start, strlen(start)) &&
			strstr(msg_trail_text(), words),
		"<%s>: wanted '%s…%s…', got '%s'", text, start, words,
		msg_trail_text());
}

static const struct {
	const char *text;
	unsigned line;
	const char *words;
} bad[] = {
	{"name = x\n", 1, "'name' stands in no section; write [broker]"},
	{"[brokr]\n", 1, "unknown section [brokr]; write [broker], [quota]"},
	{"[]\n", 1, "unknown section []; write [broker]"},
	{"[broker\n", 1, "a section's head is its name between [ and ]"},
	{"[broker] x\n", 1, "a section's head is its name"},
	{"\n ; x\n [broker]\n", 3, "remove the blanks in front"},
	{"[broker]\n\n[broker]\n", 3, "[broker] stands in line 1 already"},
	{"[quota]\n[default]\npublish=*\n[quota]\n", 4,
		"[quota] stands in line 1 already"},
	{"[default]\npublish=*\n[default]\n", 3, "stands in line 1 already"},

	{"[broker]\nprot = 5\n", 2,
		"[broker] has no key 'prot'; it has name, socket, interface"},
	{"[broker]\nport\n", 2, "neither KEY = VALUE nor"},
	{"[broker]\nport\nttl = 0\n", 2, "neither KEY = VALUE nor"},
	{"[broker]\nttl = 0\nport\n", 2, "ttl: 0 is out of range: 1 to 255"},
	{"[broker]\nport =\n", 2, "port: has no value; write N"},
	{"[broker]\nport = 70000\n", 2, "port: 70000 is out of range: 1 to"},
	{"[broker]\nport = -1\n", 2, "port: '-1' is not a whole number"},
	{"[broker]\nport = 0x10\n", 2, "port: '0x10' is not a whole number"},
	{"[broker]\nport = 1.5\n", 2, "port: '1.5' is not a whole number"},
	{"[broker]\nport = 99999999999999999999\n", 2, "is out of range"},
	{"[broker]\nslots = 18014398509481984Ki\n", 2, "is out of range"},
	{"[broker]\nport = 7400 7401\n", 2, "has a blank or a control"},
	{"[broker]\nport = 1\nttl = 1\nport = 2\n", 4,
		"'port' stands in line 2 already; write it once"},
	{"[broker]\nport = 1\n  ttl = 1\n", 3,
		"the line is indented, so it would go on with 'port'"},
	{"[broker]\nname = a/b\n", 2, "'a/b' is no name of a broker"},
	{"[broker]\nname = .a\n", 2, "'.a' is no name of a broker"},
	{"[broker]\nlane = tcp\n", 2, "write verbs, udp or none"},
	{"[broker]\ngroups = 10.0.0.1+4\n", 2, "not a multicast address"},
	{"[broker]\nsocket = a.sock\n", 2, "is not the whole path"},
	{"[broker]\nsocket = /run/msg/\n", 2, "is not the whole path"},
	{"[broker]\nsocket_mode = 0777\n", 2, "write 0600 (its user alone)"},
	{"[broker]\nsocket_group = no_such_group\n", 2,
		"there is no group 'no_such_group' on this host"},
	{"[broker]\nframe_bytes = 255\n", 2, "256 to 65507"},
	{"[broker]\nname = \001\n", 2, "a control character at byte 7"},

	{"[quota]\nslots = 1\n", 2,
		"[quota] has no key 'slots'; it has connections, "
		"subscriptions, publishers, held_slots, bytes, root_exempt"},
	{"[quota]\nconnections = 0\n", 2, "out of range: 1 to 65536"},
	{"[quota]\nbytes = 2000Gi\n", 2, "out of range"},
	{"[quota]\nbytes = 1 GiB\n", 2, "is not a whole number"},
	{"[quota]\nroot_exempt = 1\n", 2, "'1' is neither yes nor no"},
	{"[quota]\nbytes = 1\nbytes = 1\n", 3, "'bytes' stands in line 2"},
	{"[quota]\nroot_exempt = no\nroot_exempt = no\n", 3, "in line 2"},

	{"[topic]\npublish = *\n", 1, "pattern '' is empty"},
	{"[topic a..b]\npublish = *\n", 1, "has an empty token at byte 2"},
	{"[topic a.>.b]\npublish = *\n", 1, "make '>' the last token"},
	{"[topic a b]\npublish = *\n", 1, "has a space"},
	{"[topics a]\npublish = *\n", 1, "unknown section [topics a]"},
	{"[topic a]\n", 1, "the section says nothing"},
	{"[topic a]\n[topic b]\npublish = *\n", 1, "the section says nothing"},
	{"[default]\n", 1, "the section says nothing"},
	{"[topic a]\npublish = *\n[topic a]\n", 3,
		"[topic a] stands in line 1 already"},
	{"[topic a]\nread = *\n", 2, "it has subscribe, publish"},
	{"[topic a]\npublish = *\npublish = *\n", 3, "in line 2 already"},
	{"[topic a]\npublish = bob\n", 2,
		"'bob' names nobody; write *, uid:NUMBER, user:NAME"},
	{"[topic a]\npublish = uid:\n", 2, "'' is not a whole number"},
	{"[topic a]\npublish = uid:4294967295\n", 2, "0 to 4294967294"},
	{"[topic a]\npublish = gid:-1\n", 2, "'-1' is not a whole number"},
	{"[topic a]\npublish = user:no_such_user\n", 2,
		"there is no user 'no_such_user' on this host"},
	{"[topic a]\npublish = group:no_such_group\n", 2,
		"there is no group 'no_such_group' on this host"},
	{"[topic a]\npublish = *\n\tuid:1\n\twho\n", 4, "'who' names nobody"},
};

START_TEST(bad_files_are_refused_with_line_and_words)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(bad[i].text, bad[i].line, bad[i].words);
}
END_TEST

START_TEST(long_things_are_refused)
{
	char text[2048], long_word[400];
	size_t at;

	memset(long_word, 'a', sizeof long_word);
	long_word[sizeof long_word - 1] = '\0';
	snprintf(text, sizeof text, "[broker]\nname = %s\n", long_word);
	refused(text, 2, "lists may go on in lines that are indented");
	snprintf(text, sizeof text, "[broker]\nname = %.65s\n", long_word);
	refused(text, 2, "its value has 65 bytes; 64 is the most");
	snprintf(text, sizeof text, "[broker]\nsocket = /%.107s\n", long_word);
	refused(text, 2, "its value has 108 bytes; 107 is the most");
	snprintf(text, sizeof text, "[broker]\n# %s\n", long_word);
	refused(text, 2, "the line has 401 bytes");
	snprintf(text, sizeof text, "[broker]\n%.100s = 1\n", long_word);
	refused(text, 2, "[broker] has no key 'aaaa");
	snprintf(text, sizeof text, "[topic %.256s]\n", long_word);
	refused(text, 1, "is longer than 255 bytes");
	snprintf(text, sizeof text, "[topic %s]\n", long_word);
	refused(text, 1, "too long");
	at = (size_t)sprintf(text, "[topic a]\npublish =\n");
	for (int i = 0; i < 65; i++)
		at += (size_t)sprintf(text + at, " uid:%d\n", i);
	refused(text, 67, "the list has more than 64 entries");
}
END_TEST

START_TEST(a_topic_section_too_many_is_refused)
{
	char *text = malloc(32 * (ACL_SECTIONS_MAX + 1));
	size_t at = 0;

	for (unsigned i = 0; i <= ACL_SECTIONS_MAX; i++)
		at += (size_t)sprintf(
			text + at, "[topic t%u]\npublish = *\n", i);
	refused(text, 2 * ACL_SECTIONS_MAX + 1, "more than 256 [topic]");
	free(text);
}
END_TEST

START_TEST(a_file_that_is_none_is_refused)
{
	static char huge[CONFIG_FILE_BYTES_MAX];

	ck_assert_int_lt(config_read_file(config, "/no/such.conf", true), 0);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "No such file"));
	ck_assert_int_eq(config_read_file(config, "/no/such.conf", false), 0);
	ck_assert_int_lt(config_read_file(config, "/tmp", true), 0);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "Is a directory"));
	ck_assert_int_eq(config_read_file(config, "/dev/null", true), 0);
	ck_assert_int_lt(config_read_file(config, "/dev/zero", true), 0);

	memset(huge, '\n', sizeof huge);
	write_bytes(huge, sizeof huge);
	ck_assert_int_lt(config_read_file(config, path, true), 0);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "larger than 256 KiB"));
	write_bytes(huge, sizeof huge - 1);
	ck_assert_int_eq(config_read_file(config, path, true), 0);
	write_bytes("[broker]\nname = a\0b\n", 20);
	ck_assert_int_lt(config_read_file(config, path, true), 0);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "control character"));

	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_lt(config_read_file(config, path, true), 0);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "run chmod o-w"));
}
END_TEST

#define BROKER_SECTION                                                         \
	"\xef\xbb\xbf; comment\r\n"                                            \
	"[broker] # that is the first\r\n"                                     \
	"name: feed-1\r\n"                                                     \
	"port = 7500 ; as the others\n"                                        \
	"lane=udp\ninterface = lo\nttl=2\n"                                    \
	"groups = ff15::4d00+64\nslots = 8Ki\n"                                \
	"socket_mode = 660\nsocket_group = 27\n"

START_TEST(a_full_file_is_taken)
{
	const gid_t group = 27;

	ck_assert_int_eq(
		read_text(BROKER_SECTION
			  "[ quota ]\n"),
		-MSG_ERROR_ARGUMENT);
	config_init(config);
	ck_assert_int_eq(
		read_text(BROKER_SECTION
			  "[quota]\nbytes = 1Gi\nroot_exempt = yes\n"
			  "[topic md.>]\nsubscribe = uid:5, user:root\n"
			  "\tgid:27\n\n"
			  "publish =\n"
			  "[default]\nsubscribe = *"),
		0);
	ck_assert_int_eq(config_finish(config), 0);
	ck_assert_str_eq(config_text(config, CONFIG_NAME), "feed-1");
	ck_assert_uint_eq(config_number(config, CONFIG_PORT), 7500);
	ck_assert_uint_eq(config_number(config, CONFIG_SLOTS), 8192);
	ck_assert_uint_eq(config_number(config, CONFIG_SOCKET_MODE), 0660);
	ck_assert_uint_eq(config_socket_gid(config), 27);
	ck_assert_int_eq(config_lane(config), CONFIG_LANE_UDP);
	ck_assert_ptr_null(config_text(config, CONFIG_DEVICE));
	ck_assert_uint_eq(config->limits.most[ACCOUNT_BYTES], 1u << 30);
	ck_assert_uint_eq(config->limits.most[ACCOUNT_PUBLISHERS], 128);
	ck_assert(config->limits.root_exempt);
	ck_assert(acl_may(&config->acl, "md.a", ACL_SUBSCRIBE, 5, NULL, 0));
	ck_assert(acl_may(&config->acl, "md.a", ACL_SUBSCRIBE, 0, NULL, 0));
	ck_assert(acl_may(&config->acl, "md.a", ACL_SUBSCRIBE, 9, &group, 1));
	ck_assert(!acl_may(&config->acl, "md.a", ACL_SUBSCRIBE, 9, NULL, 0));
	ck_assert(!acl_may(&config->acl, "md.a", ACL_PUBLISH, 5, NULL, 0));
	ck_assert(acl_may(&config->acl, "x", ACL_SUBSCRIBE, 9, NULL, 0));
}
END_TEST

START_TEST(options_win_over_the_environment_over_the_file)
{
	setenv("MSG_PORT", "2", 1);
	setenv("MSG_TTL", "2", 1);
	setenv("MSG_GROUPS", "", 1); /* As if it were not set. */
	ck_assert_int_eq(config_set(config, CONFIG_PORT, "3",
				 CONFIG_FROM_OPTION, "--port"),
		0);
	ck_assert_int_eq(config_read_environment(config), 0);
	ck_assert_int_eq(
		read_text("[broker]\nport = 1\nttl = 1\nslots = 100\n"), 0);
	ck_assert_uint_eq(config_number(config, CONFIG_PORT), 3);
	ck_assert_uint_eq(config_number(config, CONFIG_TTL), 2);
	ck_assert_uint_eq(config_number(config, CONFIG_SLOTS), 100);
	ck_assert_ptr_null(config_text(config, CONFIG_GROUPS));
	/* A better value does not make a bad file a good one. */
	config->lines[CONFIG_PORT] = 0;
	ck_assert_int_lt(read_text("[broker]\nport = 0\n"), 0);
	setenv("MSG_TTL", "many", 1);
	ck_assert_int_lt(config_read_environment(config), 0);
	ck_assert_str_eq(msg_trail_text(),
		"MSG_TTL: 'many' is not a whole number (as 12, 10k, 64Ki)");
}
END_TEST

START_TEST(the_socket_has_its_usual_place)
{
	char place[64];

	ck_assert_int_eq(config_set(config, CONFIG_NAME, "feed",
				 CONFIG_FROM_OPTION, "--name"),
		0);
	ck_assert_int_eq(config_finish(config), 0);
	snprintf(place, sizeof place, "%s/msg/feed.sock",
		geteuid() == 0 ? "/run" : "/run/user/1");
	ck_assert_str_eq(config_text(config, CONFIG_SOCKET), place);
}
END_TEST

START_TEST(a_name_may_be_the_path_of_a_socket)
{
	setenv("MSG_BROKER", "/run/x.sock", 1);
	ck_assert_int_eq(config_read_environment(config), 0);
	ck_assert_int_eq(config_finish(config), 0);
	ck_assert_str_eq(config_text(config, CONFIG_SOCKET), "/run/x.sock");
	ck_assert_str_eq(config_text(config, CONFIG_NAME), "default");
}
END_TEST

/* Lines without their comments, which tell where a value came from. */
static char *shown(void)
{
	static char text[65536];
	FILE *file = fmemopen(text, sizeof text, "w");
	char *out = text;

	ck_assert_ptr_nonnull(file);
	config_print(config, file);
	fclose(file);
	for (const char *in = text; *in; in++) {
		if (*in == ';')
			in += strcspn(in, "\n");
		*out++ = *in;
	}
	*out = '\0';
	return text;
}

START_TEST(what_is_printed_reads_as_the_same)
{
	char first[65536];

	ck_assert_int_eq(
		read_text("[broker]\nname = a\nport = 9\nlane = none\n"
			  "[quota]\nheld_slots = 12\n"
			  "[topic a.*.b]\nsubscribe = uid:1 gid:2\n"
			  "publish = *\n[topic >]\npublish =\n"),
		0);
	ck_assert_int_eq(config_finish(config), 0);
	strcpy(first, shown());
	config_init(config);
	ck_assert_int_eq(read_text(first), 0);
	ck_assert_int_eq(config_finish(config), 0);
	ck_assert_str_eq(shown(), first);
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
	static const char pieces[][16] = {"[broker]\n", "[topic ", "a.*", "]",
		"\n", " ", "\t", "=", ":", ";", "#", "port", "subscribe",
		"uid:", "1", "*", "[", "\r", "\xef\xbb\xbf", "\xff", "[quota]",
		"bytes", "64Ki", "[default]\n", "aaaaaaaaaaaaaaa"};
	struct random_stream state = {check_seed()};
	char text[4096];

	for (int i = 0; i < 2000 / MSG_TEST_FEWER; i++) {
		size_t at = 0, count = random_next(&state) % 60;

		while (count-- > 0 && at < sizeof text - 16)
			at += (size_t)sprintf(text + at, "%s",
				pieces[random_next(&state) %
					(sizeof pieces / sizeof *pieces)]);
		text[at] = '\0';
		config_init(config);
		if (read_text(text) == 0)
			ck_assert_int_eq(config_finish(config), 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = check_case(suite, "file", 60);

	tcase_add_checked_fixture(tcase, make, drop);
	tcase_add_test(tcase, bad_files_are_refused_with_line_and_words);
	tcase_add_test(tcase, long_things_are_refused);
	tcase_add_test(tcase, a_topic_section_too_many_is_refused);
	tcase_add_test(tcase, a_file_that_is_none_is_refused);
	tcase_add_test(tcase, a_full_file_is_taken);
	tcase_add_test(tcase, options_win_over_the_environment_over_the_file);
	tcase_add_test(tcase, the_socket_has_its_usual_place);
	tcase_add_test(tcase, a_name_may_be_the_path_of_a_socket);
	tcase_add_test(tcase, what_is_printed_reads_as_the_same);
	tcase_add_test(tcase, random_bytes_do_no_harm);
	return check_main(suite, NULL);
}
