/* SPDX-License-Identifier: BSD-2-Clause */
/* acl.c - sections, first match decides; see acl.h. */
#include "broker/acl.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

void acl_init(struct acl *acl)
{
	memset(acl, 0, sizeof *acl);
}

static bool same_entry(const struct acl_entry *a, const struct acl_entry *b)
{
	return a->who == b->who && a->id == b->id;
}

static bool list_holds(
	const struct acl_list *list, const struct acl_entry *entry)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (same_entry(&list->entries[i], entry))
			return true;
	return false;
}

bool acl_list_add(struct acl_list *list, enum acl_who who, uint32_t id)
{
	struct acl_entry entry = {who, who == ACL_ANYBODY ? 0 : id};

	if (list_holds(list, &entry))
		return true;
	if (list->count == ACL_ENTRIES_MAX)
		return false;
	list->entries[list->count++] = entry;
	return true;
}

static bool is_open(const struct acl_list *list)
{
	return list_holds(list, &(struct acl_entry){ACL_ANYBODY, 0});
}

/* Whether two lists let the same people in, in whatever order they stand.
 * Entries of a list differ, so one way round is enough. */
static bool same_list(const struct acl_list *a, const struct acl_list *b)
{
	if (is_open(a) || is_open(b))
		return is_open(a) && is_open(b);
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!list_holds(b, &a->entries[i]))
			return false;
	return true;
}

void acl_finish(struct acl *acl)
{
	/* Nothing was written: everything is open. */
	if (acl->count == 0 && !acl->has_default)
		for (int i = 0; i < ACL_RIGHT_COUNT; i++)
			acl_list_add(&acl->other.lists[i], ACL_ANYBODY, 0);
	acl->other.acl_class = 0;
	acl->class_count = 1;
	for (uint32_t i = 0; i < acl->count; i++) {
		struct acl_section *section = &acl->sections[i];
		const struct acl_section *like = &acl->other;

		for (uint32_t j = 0; j <= i; j++) {
			if (same_list(&section->lists[ACL_SUBSCRIBE],
				    &like->lists[ACL_SUBSCRIBE]))
				break;
			like = &acl->sections[j];
		}
		section->acl_class =
			like == section ? acl->class_count++ : like->acl_class;
	}
	assert(acl->class_count <= ACL_CLASSES_MAX);
}

static const struct acl_section *section_of(
	const struct acl *acl, const char *topic)
{
	for (uint32_t i = 0; i < acl->count; i++)
		if (msg_name_match(acl->sections[i].pattern, topic))
			return &acl->sections[i];
	return &acl->other;
}

static bool entry_admits(const struct acl_entry *entry, uid_t uid,
	const gid_t *groups, int group_count)
{
	switch (entry->who) {
	case ACL_ANYBODY:
		return true;
	case ACL_USER:
		return entry->id == uid;
	case ACL_GROUP:
		for (int i = 0; i < group_count; i++)
			if (entry->id == groups[i])
				return true;
		return false;
	}
	return false;
}

bool acl_may(const struct acl *acl, const char *topic, enum acl_right right,
	uid_t uid, const gid_t *groups, int group_count)
{
	const struct acl_list *list = &section_of(acl, topic)->lists[right];

	assert(acl->class_count > 0); /* acl_finish was called. */
	for (uint32_t i = 0; i < list->count; i++)
		if (entry_admits(&list->entries[i], uid, groups, group_count))
			return true;
	return false;
}

uint32_t acl_class(const struct acl *acl, const char *topic)
{
	assert(acl->class_count > 0);
	return section_of(acl, topic)->acl_class;
}

uint32_t acl_class_count(const struct acl *acl)
{
	return acl->class_count;
}

bool acl_class_is_open(const struct acl *acl, uint32_t acl_class)
{
	const struct acl_section *section = &acl->other;

	assert(acl_class < acl->class_count);
	for (uint32_t i = 0; section->acl_class != acl_class; i++)
		section = &acl->sections[i];
	return is_open(&section->lists[ACL_SUBSCRIBE]);
}
