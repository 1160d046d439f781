/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * numeric.h - numbers with a point, whatever the program's locale.
 *
 * strtod and printf read and write "0,5" in half of Europe; schemas, JSON and
 * filters do not.  The thread's locale is set aside meanwhile.
 */
#ifndef MSG_SCHEMA_NUMERIC_H
#define MSG_SCHEMA_NUMERIC_H

#include <locale.h>

struct schema_numeric {
	locale_t own;
	locale_t before;
};

static inline void schema_numeric_begin(struct schema_numeric *numeric)
{
	numeric->own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (numeric->own)
		numeric->before = uselocale(numeric->own);
}

static inline void schema_numeric_end(struct schema_numeric *numeric)
{
	if (!numeric->own)
		return;
	uselocale(numeric->before);
	freelocale(numeric->own);
}

#endif
