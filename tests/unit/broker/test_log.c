/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_log.c - lines, levels, limits, and a manual that explains them all.
 */
#include "broker/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"

static int pipe_fds[2];

static void make(void)
{
	unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
	close(pipe_fds[1]);
}

/* What came since; the pipe ends here. */
static const char *said(void)
{
	static char text[65536];
	ssize_t count;

	close(STDERR_FILENO);
	count = read(pipe_fds[0], text, sizeof text - 1);
	ck_assert_int_ge(count, 0);
	text[count] = '\0';
	return text;
}

static unsigned lines(const char *text)
{
	unsigned count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

START_TEST(a_line_has_level_id_and_text)
{
	log_open(MSG_LOG_INFO);
	log_say(LOG_STARTED, "'%s' serves", "x");
	ck_assert_str_eq(said(), "msgbrokerd: info: started: 'x' serves\n");
}
END_TEST

START_TEST(a_journal_gets_priorities)
{
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_open(MSG_LOG_DEBUG);
	log_say(LOG_START_FAILED, "a");
	log_say(LOG_QUOTA_REFUSED, "b");
	log_say(LOG_STARTED, "c");
	log_say(LOG_CLIENT_GONE, "d");
	ck_assert_str_eq(said(), "<3>start-failed: a\n<4>quota-refused: b\n"
				 "<6>started: c\n<7>client-gone: d\n");
}
END_TEST

START_TEST(levels_hide_what_is_less)
{
	log_open(MSG_LOG_WARNING);
	ck_assert(!log_shows(LOG_STARTED));
	ck_assert(log_shows(LOG_QUOTA_REFUSED));
	log_say(LOG_STARTED, "a");
	log_say(LOG_CLIENT_GONE, "b");
	log_library(NULL, MSG_LOG_INFO, "node-open", "c");
	log_library(NULL, MSG_LOG_WARNING, "tag-taken", "d");
	ck_assert_str_eq(said(), "msgbrokerd: warning: tag-taken: d\n");
}
END_TEST

START_TEST(a_flood_of_an_id_is_cut_and_leaves_others_alone)
{
	const char *text;

	log_open(MSG_LOG_INFO);
	for (int i = 0; i < 1000; i++) {
		log_say(LOG_QUOTA_REFUSED, "again");
		log_library(NULL, MSG_LOG_WARNING, "announce-malformed", "x");
	}
	log_say(LOG_STARTED, "alone");
	text = said();
	ck_assert_uint_eq(lines(text), 2 * LOG_BURST + 1);
	ck_assert_ptr_nonnull(strstr(text, "started: alone\n"));
}
END_TEST

START_TEST(long_and_dirty_text_stays_one_line)
{
	char longest[5000];
	const char *text;

	memset(longest, 'y', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	log_open(MSG_LOG_INFO);
	log_say(LOG_STARTED, "a\nb\033[31m");
	log_say(LOG_STARTED, "%s", longest);
	text = said();
	ck_assert_uint_eq(lines(text), 2);
	ck_assert_ptr_nonnull(strstr(text, "started: a?b?[31m\n"));
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

/* The words of a text without its lines' ends and the page's marks. */
static void flatten(char *out, const char *in)
{
	for (; *in; in++) {
		if (!strncmp(in, "\\&", 2))
			in += 2;
		if (*in == '\n' || *in == ' ') {
			if (out[-1] != ' ')
				*out++ = ' ';
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

/* `.It Li ID` followed by meaning and remedy, word for word. */
START_TEST(the_manual_explains_every_id)
{
	static char page[262144], flat[262144 + 1] = " ", entry[2048];
	FILE *file = fopen(MANUAL, "r");
	unsigned items = 0;

	ck_assert_ptr_nonnull(file);
	page[fread(page, 1, sizeof page - 1, file)] = '\0';
	fclose(file);
	flatten(flat + 1, page);
	for (int i = 0; i < LOG_ID_COUNT; i++) {
		const struct log_entry *row = &log_catalogue[i];
		static const char *const levels[] = {[MSG_LOG_ERROR] = "error",
			[MSG_LOG_WARNING] = "warning", [MSG_LOG_INFO] = "info",
			[MSG_LOG_DEBUG] = "debug"};

		snprintf(entry, sizeof entry, ".It Li %s Pq %s %s %s ",
			row->id, levels[row->level], row->meaning,
			row->remedy);
		ck_assert_msg(strstr(flat, entry) != NULL,
			"msgbrokerd.8 has no: %s", entry);
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(row->id, log_catalogue[j].id);
	}
	for (const char *at = flat; (at = strstr(at, ".It Li ")); at++)
		items++;
	ck_assert_uint_eq(items, LOG_ID_COUNT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = check_case(suite, "lines", 10);
	TCase *manual = check_case(suite, "manual", 10);

	tcase_add_checked_fixture(tcase, make, NULL);
	tcase_add_test(tcase, a_line_has_level_id_and_text);
	tcase_add_test(tcase, a_journal_gets_priorities);
	tcase_add_test(tcase, levels_hide_what_is_less);
	tcase_add_test(tcase, a_flood_of_an_id_is_cut_and_leaves_others_alone);
	tcase_add_test(tcase, long_and_dirty_text_stays_one_line);
	tcase_add_test(manual, the_manual_explains_every_id);
	return check_main(suite, NULL);
}
