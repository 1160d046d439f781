/* SPDX-License-Identifier: BSD-2-Clause */
/* sequence_story.c - see sequence_story.h. */
#include "sequence_story.h"

#include <stdio.h>
#include <string.h>

struct receiver receiver;
char story[4096];

void story_tell(void *context, const struct msg_span *span, uint64_t lost)
{
	size_t used = strlen(story);
	char text[64], before[32] = "", place[16] = "";

	(void)context;
	if (lost > 0)
		snprintf(before, sizeof before, "!%llu ",
			(unsigned long long)lost);
	if (span->offset > 0 || span->end_offset > 0)
		snprintf(place, sizeof place, "@%u", span->offset);
	snprintf(text, sizeof text, "%s%lld%s ", before,
		(long long)span->sequence, place);
	if (used + strlen(text) < sizeof story)
		strcpy(story + used, text);
}

void story_begin(void)
{
	story[0] = '\0';
	receiver_start(&receiver, ALLOWANCE, story_tell, NULL);
}
