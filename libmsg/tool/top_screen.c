/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_screen.c - `msg top` on a terminal; see top.h.
 *
 * ncurses draws; what is drawn was made safe by text_escape before.
 */
#include "top.h"

#include <curses.h>
#include <locale.h>

#include "command.h"
#include "pace.h"
#include "stop.h"

struct screen {
	struct top *top;
	struct table table;
	int first; /* Row on top. */
	bool colours;
};

static int page(void)
{
	return LINES > 4 ? LINES - 4 : 1;
}

static void put_line(int y, const char *text, attr_t attributes)
{
	attrset((int)attributes);
	move(y, 0);
	clrtoeol();
	addnstr(text, -1);
	attrset((int)A_NORMAL);
}

static attr_t attributes_of(const struct screen *s, int row)
{
	const struct look *look = &s->top->look;

	if (!look_is_slow(look, &look->lines[row]))
		return A_NORMAL;
	return s->colours ? (attr_t)COLOR_PAIR(1) | A_BOLD : A_BOLD;
}

static void draw(struct screen *s)
{
	char line[TABLE_LINE_BYTES];
	int rows = table_rows(&s->table);

	if (s->first > rows - page())
		s->first = rows - page();
	if (s->first < 0)
		s->first = 0;
	erase();
	look_headline(&s->top->look, line, sizeof line);
	put_line(0, line, A_NORMAL);
	table_line(&s->table, -1, line, sizeof line);
	put_line(2, line, A_REVERSE);
	for (int y = 0; y < page() && s->first + y < rows; y++) {
		table_line(&s->table, s->first + y, line, sizeof line);
		put_line(3 + y, line, attributes_of(s, s->first + y));
	}
	snprintf(line, sizeof line,
		"q end  s sort: %s  r reverse  space now  %d of %d",
		look_sort_names[s->top->sort], rows ? s->first + 1 : 0, rows);
	put_line(LINES - 1, line, A_DIM);
	refresh();
}

/* What is of least use on a narrow terminal, that first: who is slow, and why, is
 * what this is for. */
static const char *const least[] = {"VIA", "UID", "HELD", "POLICY", "MESSAGES",
	"PROGRAM", "ROLE", "RATE/S", "LOST", "LAG", "PID", NULL};

static void fill(struct screen *s)
{
	table_close(&s->table);
	look_sort(&s->top->look, s->top->sort, s->top->reverse);
	look_table(&s->top->look, &s->table);
	table_fit(&s->table, (size_t)COLS, least);
}

/* What a key asks for: -1 the end, 1 another look, 0 nothing more. */
static int press(struct screen *s, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return -1;
	case ' ':
		return 1;
	case 's':
		s->top->sort = (s->top->sort + 1) % LOOK_SORT_COUNT;
		break;
	case 'r':
		s->top->reverse = !s->top->reverse;
		break;
	case KEY_DOWN:
	case 'j':
		s->first++;
		break;
	case KEY_UP:
	case 'k':
		s->first--;
		break;
	case KEY_NPAGE:
		s->first += page();
		break;
	case KEY_PPAGE:
		s->first -= page();
		break;
	default:
		return 0;
	}
	fill(s);
	return 0;
}

/* Keys until then; -1: the end. */
static int wait_keys(struct screen *s, uint64_t until_ns)
{
	for (;;) {
		uint64_t now = clock_ns();
		int key, wish;

		if (stop_asked())
			return -1;
		if (now >= until_ns)
			return 0;
		/* Short, so that a signal is noticed. */
		timeout((int)((until_ns - now) / 1000000 < 100
				      ? (until_ns - now) / 1000000 + 1
				      : 100));
		key = getch();
		if (key == ERR)
			continue;
		wish = press(s, key);
		if (wish != 0)
			return wish;
		draw(s);
	}
}

static int watch(struct screen *s)
{
	struct top *top = s->top;
	int code = TOOL_EXIT_OK;

	for (uint64_t n = 0; code == TOOL_EXIT_OK; n++) {
		fill(s);
		draw(s);
		if (top->count > 0 && n == top->count)
			break;
		if (wait_keys(s, clock_ns() + (uint64_t)(top->interval * 1e9)) <
			0)
			break;
		code = look_again(&top->look);
	}
	return code;
}

int top_screen(struct top *top)
{
	struct screen s = {.top = top};
	SCREEN *terminal;
	int code;

	setlocale(LC_CTYPE, "");
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal) {
		complain("this terminal cannot be drawn on; take --once or set "
			 "TERM");
		return TOOL_EXIT_UNMET;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
		s.colours = true;
	}
	code = watch(&s);
	endwin();
	delscreen(terminal);
	table_close(&s.table);
	return code;
}
