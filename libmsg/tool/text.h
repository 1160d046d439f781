/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - words for people: what is safe on a terminal, and round numbers.
 *
 * Whatever comes from the network may hold escape sequences that repaint the
 * screen, or characters that reverse the line.  Shown text therefore passes
 * here: control characters (C0, DEL, C1), line separators and bidirectional
 * overrides become visible escapes, broken UTF-8 becomes \xHH, and so does
 * the backslash become two: the text can be turned back into its bytes.
 */
#ifndef TOOL_TEXT_H
#define TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The character at `bytes`: its length, and *code; 0 when it is not UTF-8
 * (overlong, surrogate, above U+10FFFF, cut short). */
size_t utf8_decode(const unsigned char *bytes, size_t count, uint32_t *code);

bool utf8_valid(const void *data, size_t bytes);

/* Whether a terminal may get this character as it is. */
bool text_printable(uint32_t code);

/* Whether the bytes read as text: valid UTF-8 without control characters
 * other than tab, line feed, carriage return and escape. */
bool text_likely(const void *data, size_t bytes);

void text_write(FILE *file, const void *data, size_t bytes);

/* Into a buffer; what does not fit is cut at a whole character. */
void text_escape(char *out, size_t capacity, const char *text);

/* Columns of a terminal, taking each character as one. */
size_t text_columns(const char *text);

/* "1.23 M", "64 k", "17": three digits and a decimal prefix. */
const char *text_scaled(double value, char *out, size_t capacity);

/* "12.3 us", "1.2 ms", "3 s". */
const char *text_time(double ns, char *out, size_t capacity);

/* offset  hex  |text|, sixteen bytes a line. */
void text_hex(FILE *file, const void *data, size_t bytes);

#endif
