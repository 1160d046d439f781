/* SPDX-License-Identifier: BSD-2-Clause */
/* filter.c - reading a condition; see filter.h. */
#include "schema/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "schema/numeric.h"

enum token {
	TOKEN_END,
	TOKEN_NAME,   /* Also a word, and a key of digits. */
	TOKEN_TEXT,
	TOKEN_NUMBER,
	TOKEN_DOT,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_NOT,
	TOKEN_COMPARE,
	TOKEN_BAD,
};

struct parser {
	struct msg_filter *filter;
	const char *start;
	const char *at;    /* Behind the token. */
	const char *token; /* Where it begins. */
	enum token kind;
	enum filter_operator operator;
	const char *text; /* Of NAME and TEXT, in the filter. */
	size_t bytes;
	struct filter_literal number;
	bool after_dot;
	uint32_t brackets;
};

static int parse_or(struct parser *p);

static int complain(const struct parser *p, const char *what)
{
	return msg_fail(MSG_ERROR_ARGUMENT, "filter, at byte %zu: %s",
		(size_t)(p->token - p->start) + 1, what);
}

/* ---- tokens ------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Room for a text of up to `bytes`, and its zero: the filter's texts are never
 * longer than twice what they are read from. */
static char *room_for(struct parser *p, size_t bytes)
{
	struct msg_filter *f = p->filter;

	return bytes + 1 > sizeof f->texts - f->text_bytes
		       ? NULL
		       : f->texts + f->text_bytes;
}

static void keep(struct parser *p, char *text, size_t bytes)
{
	text[bytes] = '\0';
	p->text = text;
	p->bytes = bytes;
	p->filter->text_bytes += bytes + 1;
}

static enum token lex_name(struct parser *p)
{
	static const struct {
		const char *word;
		enum token kind;
	} words[] = {{"and", TOKEN_AND}, {"or", TOKEN_OR}, {"not", TOKEN_NOT}};
	const char *from = p->at;
	size_t bytes;
	char *room;

	while (is_letter(*p->at) || is_digit(*p->at))
		p->at++;
	bytes = (size_t)(p->at - from);
	for (size_t i = 0; i < 3 && !p->after_dot; i++)
		if (strlen(words[i].word) == bytes &&
			memcmp(words[i].word, from, bytes) == 0)
			return words[i].kind;
	room = room_for(p, bytes);
	if (!room)
		return TOKEN_BAD;
	memcpy(room, from, bytes);
	keep(p, room, bytes);
	return TOKEN_NAME;
}

static enum token lex_text(struct parser *p)
{
	char quote = *p->at++;
	char *room = room_for(p, strlen(p->at));
	size_t bytes = 0;

	if (!room)
		return TOKEN_BAD;
	while (*p->at && *p->at != quote) {
		if (*p->at == '\\' && p->at[1])
			p->at++;
		room[bytes++] = *p->at++;
	}
	if (!*p->at)
		return TOKEN_BAD;
	p->at++;
	keep(p, room, bytes);
	return TOKEN_TEXT;
}

/* strtod knows more than C's numbers, but begins here with a digit or point. */
static enum token lex_number(struct parser *p)
{
	struct filter_literal *n = &p->number;
	const char *digits;
	char *end;
	bool hex;

	memset(n, 0, sizeof *n);
	n->negative = *p->at == '-';
	p->at += *p->at == '-' || *p->at == '+';
	digits = p->at;
	if (!is_digit(*digits) && !(*digits == '.' && is_digit(digits[1])))
		return TOKEN_BAD;
	hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	errno = 0;
	n->magnitude = strtoull(digits, &end, hex ? 16 : 10);
	n->is_whole = errno == 0 && *end != '.' && *end != 'e' && *end != 'E';
	n->real = n->is_whole ? (double)n->magnitude : strtod(digits, &end);
	if (n->negative)
		n->real = -n->real;
	p->at = end;
	return is_letter(*end) || is_digit(*end) || *end == '.' ? TOKEN_BAD
								: TOKEN_NUMBER;
}

static enum token lex_operator(struct parser *p)
{
	static const struct {
		const char *text;
		enum token kind;
		enum filter_operator operator;
	} operators[] = {
		{"==", TOKEN_COMPARE, FILTER_EQUAL},
		{"!=", TOKEN_COMPARE, FILTER_UNEQUAL},
		{"<=", TOKEN_COMPARE, FILTER_LESS_EQUAL},
		{">=", TOKEN_COMPARE, FILTER_GREATER_EQUAL},
		{"&&", TOKEN_AND, FILTER_THERE},
		{"||", TOKEN_OR, FILTER_THERE},
		{"<", TOKEN_COMPARE, FILTER_LESS},
		{">", TOKEN_COMPARE, FILTER_GREATER},
		{"!", TOKEN_NOT, FILTER_THERE},
		{"(", TOKEN_OPEN, FILTER_THERE},
		{")", TOKEN_CLOSE, FILTER_THERE},
		{".", TOKEN_DOT, FILTER_THERE},
	};

	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
		size_t bytes = strlen(operators[i].text);

		if (strncmp(p->at, operators[i].text, bytes) == 0) {
			p->at += bytes;
			p->operator = operators[i].operator;
			return operators[i].kind;
		}
	}
	return TOKEN_BAD;
}

static void next(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
	p->token = p->at;
	if (!*p->at)
		p->kind = TOKEN_END;
	else if (is_letter(*p->at) || (p->after_dot && is_digit(*p->at)))
		p->kind = lex_name(p);
	else if (*p->at == '"' || *p->at == '\'')
		p->kind = lex_text(p);
	else if (is_digit(*p->at) || *p->at == '-' || *p->at == '+' ||
		 (*p->at == '.' && is_digit(p->at[1])))
		p->kind = lex_number(p);
	else
		p->kind = lex_operator(p);
	p->after_dot = false;
}

/* ---- the program ------------------------------------------------------- */

static int step(struct parser *p, uint8_t what)
{
	struct msg_filter *f = p->filter;

	if (f->step_count == MSG_FILTER_STEPS_MAX)
		return complain(p, "the filter is too long");
	f->steps[f->step_count++] = what;
	return 0;
}

/* A name of a path, and those behind its dots: names, or keys in quotes. */
static int parse_path(struct parser *p, struct filter_test *test)
{
	for (;;) {
		if (test->name_count == MSG_FILTER_NAMES_MAX)
			return complain(p, "a path has too many names");
		test->names[test->name_count++] = p->text;
		/* A key of digits is no number with a point in front. */
		if (*p->at != '.') {
			next(p);
			return 0;
		}
		p->at++;
		p->after_dot = true;
		next(p);
		if (p->kind != TOKEN_NAME && p->kind != TOKEN_TEXT)
			return complain(p, "a name is missing behind the dot");
	}
}

static int parse_literal(struct parser *p, struct filter_literal *literal)
{
	switch (p->kind) {
	case TOKEN_NUMBER:
		*literal = p->number;
		break;
	case TOKEN_TEXT:
	case TOKEN_NAME:
		memset(literal, 0, sizeof *literal);
		literal->is_text = true;
		literal->text = p->text;
		literal->bytes = p->bytes;
		/* No text, but a number, or an enum's value by name. */
		literal->is_whole = p->kind == TOKEN_NAME;
		break;
	default:
		return complain(p, "a number, text or name is missing");
	}
	next(p);
	return 0;
}

static int parse_test(struct parser *p)
{
	struct msg_filter *f = p->filter;
	struct filter_test *test;
	int result;

	if (p->kind != TOKEN_NAME)
		return complain(p, p->kind == TOKEN_END
					   ? "something is missing at the end"
					   : "a field's name is missing");
	if (f->test_count == MSG_FILTER_TESTS_MAX)
		return complain(p, "the filter has too many comparisons");
	test = &f->tests[f->test_count];
	result = parse_path(p, test);
	if (result == 0 && p->kind == TOKEN_COMPARE) {
		test->operator = p->operator;
		next(p);
		result = parse_literal(p, &test->literal);
	}
	if (result == 0)
		result = schema_filter_check(f->type, test);
	return result < 0 ? result : step(p, (uint8_t)f->test_count++);
}

static int parse_not(struct parser *p)
{
	enum token kind = p->kind;
	int result;

	if (kind != TOKEN_NOT && kind != TOKEN_OPEN)
		return parse_test(p);
	if (p->brackets == MSG_FILTER_BRACKETS_MAX)
		return complain(p, "brackets nest too deep");
	p->brackets++;
	next(p);
	result = kind == TOKEN_NOT ? parse_not(p) : parse_or(p);
	if (result == 0 && kind == TOKEN_OPEN) {
		if (p->kind != TOKEN_CLOSE)
			return complain(p, "a bracket is not closed");
		next(p);
	}
	p->brackets--;
	return result < 0 || kind == TOKEN_OPEN ? result : step(p, FILTER_NOT);
}

static int parse_and(struct parser *p)
{
	int result = parse_not(p);

	while (result == 0 && p->kind == TOKEN_AND) {
		next(p);
		result = parse_not(p);
		if (result == 0)
			result = step(p, FILTER_AND);
	}
	return result;
}

static int parse_or(struct parser *p)
{
	int result = parse_and(p);

	while (result == 0 && p->kind == TOKEN_OR) {
		next(p);
		result = parse_and(p);
		if (result == 0)
			result = step(p, FILTER_OR);
	}
	return result;
}

static int parse(struct msg_filter *filter, const char *text)
{
	struct parser p = {.filter = filter, .start = text, .at = text};
	struct schema_numeric numeric;
	int result;

	schema_numeric_begin(&numeric);
	next(&p);
	result = parse_or(&p);
	schema_numeric_end(&numeric);
	if (result == 0 && p.kind != TOKEN_END)
		result = complain(&p, "this was not expected here");
	return result;
}

int msg_schema_filter_open(const struct msg_type *type, const char *text,
	struct msg_filter **out)
{
	struct msg_filter *filter;
	int result;

	if (strlen(text) > MSG_FILTER_BYTES_MAX)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the filter has more than %u bytes",
			MSG_FILTER_BYTES_MAX);
	filter = calloc(1, sizeof *filter);
	if (!filter)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a filter");
	filter->type = msg_schema_type_keep(type);
	result = parse(filter, text);
	if (result < 0)
		msg_schema_filter_close(filter);
	else
		*out = filter;
	return result;
}

void msg_schema_filter_close(struct msg_filter *filter)
{
	if (!filter)
		return;
	msg_schema_type_drop(filter->type);
	free(filter);
}
