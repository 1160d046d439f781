/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - short texts between processes that do not trust each other.
 *
 * Good text is UTF-8 without control characters (a zero byte is one), because
 * it is shown on terminals.  Who receives refuses anything else; who sends text
 * that came from outside (a program's name) replaces what would be refused, so
 * that an odd name cannot make its bearer unheard.
 * Test: tests/unit/base/test_text.c.
 */
#ifndef MSG_BASE_TEXT_H
#define MSG_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Copy text of up to `max` bytes, bad ones replaced by '?', whole characters
 * only; no zero behind it.  Returns the bytes written. */
size_t msg_text_clean(char *to, const char *from, size_t max);

/* Copy `bytes` of text out, a zero behind it; false, with `to` in no defined
 * state, if they are more than `max` or not good.  `to` holds max + 1. */
bool msg_text_take(char *to, size_t max, const void *from, size_t bytes);

#endif
