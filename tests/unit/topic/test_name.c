/* SPDX-License-Identifier: BSD-2-Clause */
/* test_name.c - the grammar of topics, tag and group; see topic/name.h. */
#include "topic/name.h"

#include <stdio.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "check_main.h"

static char long_name[400];

/* A name of `bytes` bytes. */
static const char *of_length(size_t bytes)
{
	memset(long_name, 'x', bytes);
	long_name[bytes] = '\0';
	return long_name;
}

static void good_topic(const char *topic)
{
	msg_fail(1, "untouched");
	ck_assert_int_eq(msg_name_check_topic(topic), 0);
	ck_assert_int_eq(msg_name_check_pattern(topic), 0);
	ck_assert(msg_name_is_topic(topic));
	ck_assert(!msg_name_is_pattern(topic));
	ck_assert(msg_name_match(topic, topic));
	ck_assert(msg_name_match(">", topic));
	ck_assert_str_eq(msg_trail_text(), "untouched");
}

static void bad_topic(const char *topic, const char *text)
{
	msg_fail(1, "untouched");
	ck_assert(!msg_name_is_topic(topic));
	ck_assert_str_eq(msg_trail_text(), "untouched");
	ck_assert_int_eq(msg_name_check_topic(topic), -MSG_ERROR_ARGUMENT);
	ck_assert_str_eq(msg_trail_text(), text);
}

static void bad_pattern(const char *pattern, const char *text)
{
	ck_assert_int_eq(msg_name_check_pattern(pattern), -MSG_ERROR_ARGUMENT);
	ck_assert_str_eq(msg_trail_text(), text);
}

/* Neither; for bytes that are no text, the sentence is looked at elsewhere. */
static void bad_bytes(const char *name, const char *problem)
{
	ck_assert(!msg_name_is_topic(name));
	ck_assert_int_eq(msg_name_check_pattern(name), -MSG_ERROR_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), problem));
}

/* ---- grammar ----------------------------------------------------------- */

START_TEST(tokens_joined_by_dots_are_topics)
{
	good_topic("a");
	good_topic("md.acme.bid");
	good_topic("a.b.c.d.e.f.g.h");
	good_topic("$SYS/some-thing_else:{7}!\"#%&'()+,;<=?@[\\]^`|~");
	good_topic("pr\xc3\xbc"
		   "f.\xe6\xb8\xac.\xf0\x9f\x98\x80");
	good_topic(of_length(255));
}
END_TEST

START_TEST(every_printable_ascii_character_but_wildcards_may_stand_in_a_token)
{
	for (char c = 0x21; c < 0x7f; c++) {
		const char name[] = {'a', c, 'b', '\0'};

		ck_assert(msg_name_is_topic(name) == (c != '*' && c != '>'));
		ck_assert(msg_name_check_pattern(name) ==
			  (c != '*' && c != '>' ? 0 : -MSG_ERROR_ARGUMENT));
	}
}
END_TEST

START_TEST(nothing_is_no_topic)
{
	bad_topic("", "topic '' is empty; give it a name such as md.acme.bid");
	bad_topic(
		NULL, "topic '' is empty; give it a name such as md.acme.bid");
	bad_pattern(
		"", "pattern '' is empty; give it a name such as md.acme.bid");
}
END_TEST

START_TEST(more_than_255_bytes_are_no_topic)
{
	char text[200];

	snprintf(text, sizeof text,
		"topic '%.89s...' is longer than 255 bytes; shorten it",
		of_length(256));
	bad_topic(of_length(256), text);
	bad_topic(of_length(399), text);
}
END_TEST

START_TEST(empty_tokens_are_found)
{
	static const char remedy[] =
		"; write at least one character before, after and between dots";
	static const struct {
		const char *name, *text;
	} cases[] = {
		{"a..b", "topic 'a..b' has an empty token at byte 2"},
		{".a", "topic '.a' has an empty token at byte 0"},
		{"a.", "topic 'a.' has an empty token at byte 2"},
		{".", "topic '.' has an empty token at byte 0"},
		{"a.b...c", "topic 'a.b...c' has an empty token at byte 4"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[200];

		strcpy(text, cases[i].text);
		strcat(text, remedy);
		bad_topic(cases[i].name, text);
	}
}
END_TEST

START_TEST(wildcards_are_for_patterns)
{
	bad_topic("md.*.bid",
		"topic 'md.*.bid' has a wildcard at byte 3; only subscribers "
		"and directories may use '*' and '>'");
	bad_topic("md.>",
		"topic 'md.>' has a wildcard at byte 3; only subscribers and "
		"directories may use '*' and '>'");
	ck_assert(msg_name_is_pattern("md.*.bid"));
	ck_assert(msg_name_is_pattern("md.>"));
}
END_TEST

START_TEST(wildcards_that_stand_alone_are_patterns)
{
	static const char *const patterns[] = {
		"*", ">", "*.*", "*.>", "a.*", "*.a", "a.*.b.>"};

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
		ck_assert_int_eq(msg_name_check_pattern(patterns[i]), 0);
}
END_TEST

START_TEST(wildcards_inside_a_token_are_found)
{
	static const char *const patterns[] = {"a*", "*a", "a.b*.c", "**", "a>",
		">a", "a.*>", "*>", ">>", ">*"};

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
		bad_bytes(patterns[i], "has a wildcard inside a token at byte");
	bad_pattern("a.b*",
		"pattern 'a.b*' has a wildcard inside a token at byte 3; "
		"'*' and '>' stand alone between dots");
}
END_TEST

START_TEST(a_tail_wildcard_must_be_last)
{
	bad_pattern("a.>.b",
		"pattern 'a.>.b' goes on behind '>' at byte 2; "
		"make '>' the last token, or use '*' for one token");
	bad_bytes(">.", "goes on behind '>' at byte 0");
}
END_TEST

START_TEST(spaces_and_control_characters_are_found)
{
	bad_topic("a b", "topic 'a b' has a space at byte 1; "
			 "use '-' or '_' instead");
	bad_topic("a\nb", "topic 'a\\x0ab' has a control character at byte 1; "
			  "remove it");
	bad_topic("a\x7f", "topic 'a\\x7f' has a control character at byte "
			   "1; remove it");
	for (char c = 1; c < 0x20; c++) {
		const char name[] = {'a', c, '\0'};

		bad_bytes(name, "has a control character at byte 1");
	}
	bad_bytes("a\xc2\x80", "has a control character at byte 1");
	bad_bytes("a\xc2\x9b", "has a control character at byte 1");
	bad_bytes("a\xc2\x9f", "has a control character at byte 1");
	good_topic("a\xc2\xa0"); /* Not ASCII's space, nor a control. */
}
END_TEST

START_TEST(what_is_not_utf8_is_found)
{
	static const char *const bad[] = {
		"\x80",             /* A continuation alone. */
		"\xbf",             /* Another. */
		"\xc3",             /* Cut short. */
		"\xc3(",            /* Not continued. */
		"\xc0\xaf",         /* Overlong '/'. */
		"\xc1\xbf",         /* Overlong. */
		"\xe0\x9f\xbf",     /* Overlong. */
		"\xe2\x82",         /* Cut short. */
		"\xe2\x28\xa1",     /* Not continued. */
		"\xe2\x82\x28",     /* Not continued. */
		"\xed\xa0\x80",     /* U+D800. */
		"\xed\xbf\xbf",     /* U+DFFF. */
		"\xf0\x8f\xbf\xbf", /* Overlong. */
		"\xf4\x90\x80\x80", /* U+110000. */
		"\xf5\x80\x80\x80", /* Beyond. */
		"\xf8\x88\x80\x80\x80",
		"\xfc\x84\x80\x80\x80\x80",
		"\xfe",
		"\xff",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char name[16] = "ab.";

		strcat(name, bad[i]);
		bad_bytes(name, "is not UTF-8 at byte 3");
	}
	bad_topic("\xff", "topic '\\xff' is not UTF-8 at byte 0; "
			  "convert the name to UTF-8");
}
END_TEST

START_TEST(the_ends_of_each_range_of_utf8_are_good)
{
	good_topic("\xc3\x80");
	good_topic("\xdf\xbf");
	good_topic("\xe0\xa0\x80");
	good_topic("\xed\x9f\xbf");
	good_topic("\xee\x80\x80");
	good_topic("\xef\xbf\xbf");
	good_topic("\xf0\x90\x80\x80");
	good_topic("\xf4\x8f\xbf\xbf");
}
END_TEST

START_TEST(a_character_cut_by_the_length_is_found)
{
	of_length(254);
	strcat(long_name, "\xc3\xbc"); /* 256 bytes in all. */
	bad_bytes(long_name, "is longer than 255 bytes");
	of_length(253);
	strcat(long_name, "\xc3\xbc");
	good_topic(long_name);
}
END_TEST

START_TEST(the_quoted_name_is_safe_to_print_and_short)
{
	memset(long_name, '\x1b', 300);
	long_name[300] = '\0';
	bad_bytes(long_name, "\\x1b\\x1b");
	ck_assert_uint_lt(strlen(msg_trail_text()), 256);
	for (const char *p = msg_trail_text(); *p; p++)
		ck_assert(*p >= 0x20 && *p < 0x7f);
}
END_TEST

/* ---- matching ---------------------------------------------------------- */

START_TEST(patterns_match_token_by_token)
{
	static const struct {
		const char *pattern, *topic;
		bool match;
	} cases[] = {
		{"a", "a", true},
		{"a", "b", false},
		{"a", "ab", false},
		{"ab", "a", false},
		{"a.b", "a", false},
		{"a", "a.b", false},
		{"a.b.c", "a.b.c", true},
		{"a.b.c", "a.x.c", false},
		{"*", "a", true},
		{"*", "a.b", false},
		{"*.b", "a.b", true},
		{"*.b", "a.c", false},
		{"*.b", "b", false},
		{"a.*", "a", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"a.*.c", "a.b.c", true},
		{"a.*.c", "a.bbb.c", true},
		{"a.*.c", "a.b.d", false},
		{"*.*", "a.b", true},
		{"*.*", "a", false},
		{">", "a", true},
		{">", "a.b.c", true},
		{"a.>", "a", false},
		{"a.>", "a.b", true},
		{"a.>", "a.b.c.d", true},
		{"a.>", "b.a", false},
		{"*.>", "a", false},
		{"*.>", "a.b", true},
		{"a.*.>", "a.b", false},
		{"a.*.>", "a.b.c", true},
		{"a.b", "a.bc", false},
		{"a.bc", "a.b", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_msg(msg_name_match(cases[i].pattern,
				      cases[i].topic) == cases[i].match,
			"'%s' on '%s'", cases[i].pattern, cases[i].topic);
}
END_TEST

/* A pattern made from a topic by putting wildcards in matches it. */
START_TEST(random_patterns_match_the_topics_they_come_from)
{
	struct random_stream random = {check_seed()};

	for (unsigned i = 0; i < 20000; i++) {
		unsigned tokens = 1 + (unsigned)random_below(&random, 8);
		unsigned tail = (unsigned)random_below(&random, 10);
		char topic[64] = "", pattern[64] = "", other[64] = "";

		for (unsigned t = 0; t < tokens; t++) {
			const char token[] = {
				(char)('a' + random_below(&random, 26)), '\0'};

			strcat(strcat(topic, t ? "." : ""), token);
			strcat(strcat(other, t ? "." : ""),
				t + 1 == tokens ? "OTHER" : token);
			if (t <= tail)
				strcat(strcat(pattern, t ? "." : ""),
					t == tail                     ? ">"
					: random_chance(&random, 300) ? "*"
								      : token);
		}
		ck_assert_int_eq(msg_name_check_pattern(pattern), 0);
		ck_assert(msg_name_match(pattern, topic));
		if (!msg_name_is_pattern(pattern))
			ck_assert(!msg_name_match(pattern, other));
	}
}
END_TEST

/* ---- tag and group ----------------------------------------------------- */

START_TEST(tag_and_group_give_the_vectors_of_the_specification)
{
	static const struct {
		const char *topic;
		uint32_t tag, group_of_64, group_of_4096;
	} vectors[] = {
		{"a", 0x481420f8, 53, 2510},
		{"hello", 0xc75bcd0f, 47, 1433},
		{"a.b.c", 0x2e184956, 18, 3672},
		{"md.acme.bid", 0x2446264a, 23, 1346},
		{"md.acme.ask", 0x6e0b365f, 57, 3333},
	};

	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		const char *topic = vectors[i].topic;

		ck_assert_uint_eq(msg_name_tag(topic), vectors[i].tag);
		ck_assert_uint_eq(msg_name_group(topic, 1), 0);
		ck_assert_uint_eq(msg_name_group(topic, 2), 1);
		ck_assert_uint_eq(
			msg_name_group(topic, 64), vectors[i].group_of_64);
		ck_assert_uint_eq(
			msg_name_group(topic, 4096), vectors[i].group_of_4096);
	}
}
END_TEST

START_TEST(groups_fill_evenly_and_leave_the_first_to_the_directory)
{
	unsigned filled[64] = {0};

	for (unsigned i = 0; i < 63000; i++) {
		char topic[32];

		snprintf(topic, sizeof topic, "md.symbol%u.bid", i);
		filled[msg_name_group(topic, 64)]++;
	}
	ck_assert_uint_eq(filled[0], 0);
	for (unsigned i = 1; i < 64; i++)
		ck_assert(filled[i] > 800 && filled[i] < 1200);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("name");
	TCase *grammar = check_case(suite, "grammar", 10);
	TCase *match = check_case(suite, "match", 10);
	TCase *place = check_case(suite, "place", 10);

	tcase_add_test(grammar, tokens_joined_by_dots_are_topics);
	tcase_add_test(grammar,
		every_printable_ascii_character_but_wildcards_may_stand_in_a_token);
	tcase_add_test(grammar, nothing_is_no_topic);
	tcase_add_test(grammar, more_than_255_bytes_are_no_topic);
	tcase_add_test(grammar, empty_tokens_are_found);
	tcase_add_test(grammar, wildcards_are_for_patterns);
	tcase_add_test(grammar, wildcards_that_stand_alone_are_patterns);
	tcase_add_test(grammar, wildcards_inside_a_token_are_found);
	tcase_add_test(grammar, a_tail_wildcard_must_be_last);
	tcase_add_test(grammar, spaces_and_control_characters_are_found);
	tcase_add_test(grammar, what_is_not_utf8_is_found);
	tcase_add_test(grammar, the_ends_of_each_range_of_utf8_are_good);
	tcase_add_test(grammar, a_character_cut_by_the_length_is_found);
	tcase_add_test(grammar, the_quoted_name_is_safe_to_print_and_short);
	tcase_add_test(match, patterns_match_token_by_token);
	tcase_add_test(match, random_patterns_match_the_topics_they_come_from);
	tcase_add_test(
		place, tag_and_group_give_the_vectors_of_the_specification);
	tcase_add_test(
		place, groups_fill_evenly_and_leave_the_first_to_the_directory);
	return check_main(suite, NULL);
}
