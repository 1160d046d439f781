/* SPDX-License-Identifier: BSD-2-Clause */
/* test_acl.c - who may what, and which topics may share memory. */
#include "broker/acl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"

static struct acl *acl;

static void make(void)
{
	acl = malloc(sizeof *acl);
	ck_assert_ptr_nonnull(acl);
	acl_init(acl);
}

static void drop(void)
{
	free(acl);
}

static struct acl_section *add(const char *pattern)
{
	struct acl_section *section = &acl->sections[acl->count++];

	strcpy(section->pattern, pattern);
	return section;
}

static void allow(struct acl_section *section, enum acl_right right,
	enum acl_who who, uint32_t id)
{
	ck_assert(acl_list_add(&section->lists[right], who, id));
}

static bool may(const char *topic, enum acl_right right, uid_t uid)
{
	const gid_t groups[] = {uid, 500};

	return acl_may(acl, topic, right, uid, groups, 2);
}

START_TEST(without_sections_everybody_may_everything)
{
	acl_finish(acl);
	ck_assert(may("a.b", ACL_SUBSCRIBE, 1000));
	ck_assert(may("a.b", ACL_PUBLISH, 1000));
	ck_assert_uint_eq(acl_class_count(acl), 1);
	ck_assert_uint_eq(acl_class(acl, "a.b"), 0);
	ck_assert(acl_class_is_open(acl, 0));
}
END_TEST

START_TEST(the_first_section_that_matches_decides_alone)
{
	allow(add("md.acme.*"), ACL_SUBSCRIBE, ACL_USER, 7);
	allow(add("md.>"), ACL_SUBSCRIBE, ACL_ANYBODY, 0);
	acl_finish(acl);
	ck_assert(may("md.acme.bid", ACL_SUBSCRIBE, 7));
	ck_assert(!may("md.acme.bid", ACL_SUBSCRIBE, 8));
	ck_assert(may("md.acme.bid.x", ACL_SUBSCRIBE, 8));
	ck_assert(may("md.other", ACL_SUBSCRIBE, 8));
	/* A list that was not written names nobody. */
	ck_assert(!may("md.other", ACL_PUBLISH, 8));
}
END_TEST

START_TEST(what_no_section_matches_is_closed_without_default)
{
	allow(add("md.>"), ACL_SUBSCRIBE, ACL_ANYBODY, 0);
	acl_finish(acl);
	ck_assert(!may("other", ACL_SUBSCRIBE, 0));
	ck_assert(!may("other", ACL_PUBLISH, 0));
	ck_assert(!acl_class_is_open(acl, acl_class(acl, "other")));
	ck_assert(acl_class_is_open(acl, acl_class(acl, "md.a")));
}
END_TEST

START_TEST(the_default_section_decides_about_the_rest)
{
	add("md.>");
	acl->has_default = true;
	allow(&acl->other, ACL_PUBLISH, ACL_GROUP, 500);
	acl_finish(acl);
	ck_assert(may("other", ACL_PUBLISH, 9));
	ck_assert(!may("other", ACL_SUBSCRIBE, 9));
	ck_assert(!may("md.a", ACL_PUBLISH, 9));
}
END_TEST

START_TEST(groups_count_and_numbers_of_users_are_no_groups)
{
	const gid_t groups[] = {100, 27};
	struct acl_section *section = add(">");

	allow(section, ACL_SUBSCRIBE, ACL_GROUP, 27);
	allow(section, ACL_SUBSCRIBE, ACL_USER, 5);
	acl_finish(acl);
	ck_assert(acl_may(acl, "a", ACL_SUBSCRIBE, 1, groups, 2));
	ck_assert(!acl_may(acl, "a", ACL_SUBSCRIBE, 1, groups, 1));
	ck_assert(!acl_may(acl, "a", ACL_SUBSCRIBE, 27, groups, 0));
	ck_assert(acl_may(acl, "a", ACL_SUBSCRIBE, 5, groups, 0));
}
END_TEST

START_TEST(topics_of_the_same_readers_share_a_class)
{
	struct acl_section *a = add("a"), *b = add("b"), *c = add("c"),
			   *d = add("d"), *e = add("e");

	allow(a, ACL_SUBSCRIBE, ACL_USER, 1);
	allow(a, ACL_SUBSCRIBE, ACL_GROUP, 2);
	allow(b, ACL_SUBSCRIBE, ACL_GROUP, 2);
	allow(b, ACL_SUBSCRIBE, ACL_USER, 1);
	allow(b, ACL_PUBLISH, ACL_USER, 9); /* Of no matter. */
	allow(c, ACL_SUBSCRIBE, ACL_USER, 1);
	allow(d, ACL_SUBSCRIBE, ACL_USER, 4);
	allow(d, ACL_SUBSCRIBE, ACL_ANYBODY, 0);
	allow(e, ACL_SUBSCRIBE, ACL_ANYBODY, 0);
	acl_finish(acl);
	ck_assert_uint_eq(acl_class(acl, "a"), acl_class(acl, "b"));
	ck_assert_uint_ne(acl_class(acl, "a"), acl_class(acl, "c"));
	ck_assert_uint_eq(acl_class(acl, "d"), acl_class(acl, "e"));
	ck_assert_uint_ne(acl_class(acl, "d"), acl_class(acl, "z"));
	ck_assert_uint_eq(acl_class(acl, "z"), 0);
	ck_assert_uint_eq(acl_class_count(acl), 4);
}
END_TEST

START_TEST(classes_are_as_many_as_sections_at_most)
{
	char pattern[16];

	for (uint32_t i = 0; i < ACL_SECTIONS_MAX; i++) {
		snprintf(pattern, sizeof pattern, "t%u", i);
		allow(add(pattern), ACL_SUBSCRIBE, ACL_USER, i);
	}
	acl_finish(acl);
	ck_assert_uint_eq(acl_class_count(acl), ACL_CLASSES_MAX);
	for (uint32_t i = 0; i < ACL_SECTIONS_MAX; i++) {
		snprintf(pattern, sizeof pattern, "t%u", i);
		ck_assert_uint_eq(acl_class(acl, pattern), i + 1);
		ck_assert(may(pattern, ACL_SUBSCRIBE, i));
		ck_assert(!may(pattern, ACL_SUBSCRIBE, i + 1));
		ck_assert(!acl_class_is_open(acl, i + 1));
	}
}
END_TEST

START_TEST(a_full_list_takes_only_what_it_holds)
{
	struct acl_list list = {0};

	for (uint32_t i = 0; i < ACL_ENTRIES_MAX; i++)
		ck_assert(acl_list_add(&list, ACL_USER, i));
	ck_assert(acl_list_add(&list, ACL_USER, 3));
	ck_assert(!acl_list_add(&list, ACL_GROUP, 3));
	ck_assert_uint_eq(list.count, ACL_ENTRIES_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("acl");
	TCase *tcase = check_case(suite, "rights", 10);

	tcase_add_checked_fixture(tcase, make, drop);
	tcase_add_test(tcase, without_sections_everybody_may_everything);
	tcase_add_test(tcase, the_first_section_that_matches_decides_alone);
	tcase_add_test(tcase, what_no_section_matches_is_closed_without_default);
	tcase_add_test(tcase, the_default_section_decides_about_the_rest);
	tcase_add_test(tcase, groups_count_and_numbers_of_users_are_no_groups);
	tcase_add_test(tcase, topics_of_the_same_readers_share_a_class);
	tcase_add_test(tcase, classes_are_as_many_as_sections_at_most);
	tcase_add_test(tcase, a_full_list_takes_only_what_it_holds);
	return check_main(suite, NULL);
}
