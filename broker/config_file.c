/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_file.c - reads msg.conf; see config.h.
 *
 * libinih splits lines into keys and values and puts indented lines behind the
 * value before.  It calls back neither for a section's head nor with a line's
 * number, cuts heads and long lines without a word, and goes on after an
 * error.  So the lines go to it through read_line, which counts them, refuses
 * those it would cut, takes heads for itself, and ends the file at the first
 * thing that is wrong.
 *
 *     whole file ── read_line ──> ini_parse_stream ──> handle_key ──> a table
 *                       └── head: enter_section
 */
#include "broker/config_value.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ini.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trail.h"

#include <msg/msg.h>

enum section {
	SECTION_NONE,
	SECTION_BROKER,
	SECTION_QUOTA,
	SECTION_DEFAULT,
	SECTION_TOPIC,
};

#define ALLOWED_SECTIONS "[broker], [quota], [topic PATTERN] or [default]"

struct reader {
	struct config *config;
	const char *path;
	const char *next, *end; /* Of the file's text. */
	uint32_t line;          /* Handed out last, from 1. */
	int result;             /* Of the first thing wrong. */

	enum section section;
	uint32_t section_line;
	uint32_t section_lines[SECTION_TOPIC]; /* Of those that come once. */
	bool indented;                         /* The line handed out last. */
	bool has_key;                          /* In this section, already. */
	struct acl_section *rights;            /* Of [topic] and [default]. */
	uint32_t list_lines[ACL_RIGHT_COUNT];
};

static const char *const rights[ACL_RIGHT_COUNT] = {
	[ACL_SUBSCRIBE] = "subscribe",
	[ACL_PUBLISH] = "publish",
};

/* The first thing wrong, with its line in front. */
static int refuse_at(struct reader *reader, uint32_t line, const char *format,
	...) __attribute__((format(printf, 3, 4)));
static int refuse_at(
	struct reader *reader, uint32_t line, const char *format, ...)
{
	char text[MSG_TRAIL_BYTES];
	va_list args;

	if (reader->result < 0)
		return reader->result;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	reader->result = msg_fail(
		MSG_ERROR_ARGUMENT, "%s:%u: %s", reader->path, line, text);
	return reader->result;
}

#define refuse(reader, ...) refuse_at(reader, (reader)->line, __VA_ARGS__)

/* ---- sections ------------------------------------------------------------- */

/* A section of rights that says nothing is most likely half a thought. */
static int leave_section(struct reader *reader)
{
	if (!reader->rights || reader->list_lines[ACL_SUBSCRIBE] ||
		reader->list_lines[ACL_PUBLISH])
		return 0;
	return refuse_at(reader, reader->section_line,
		"the section says nothing; write subscribe = or publish = "
		"(with no value: nobody)");
}

static int enter_topic(struct reader *reader, const char *pattern)
{
	struct acl *acl = &reader->config->acl;
	struct acl_section *section;

	if (msg_name_check_pattern(pattern) < 0)
		return refuse(reader, "[topic]: %s", msg_trail_text());
	for (uint32_t i = 0; i < acl->count; i++)
		if (strcmp(acl->sections[i].pattern, pattern) == 0)
			return refuse(reader,
				"[topic %s] stands in line %u already; write "
				"it once",
				pattern, acl->sections[i].line);
	if (acl->count == ACL_SECTIONS_MAX)
		return refuse(reader,
			"there are more than %u [topic] sections; join some "
			"with wildcards",
			ACL_SECTIONS_MAX);
	section = &acl->sections[acl->count++];
	strcpy(section->pattern, pattern);
	section->line = reader->line;
	reader->rights = section;
	reader->section = SECTION_TOPIC;
	return 0;
}

static int enter_once(
	struct reader *reader, enum section section, const char *name)
{
	if (reader->section_lines[section])
		return refuse(reader,
			"[%s] stands in line %u already; write it once", name,
			reader->section_lines[section]);
	reader->section_lines[section] = reader->line;
	reader->section = section;
	if (section == SECTION_DEFAULT) {
		reader->config->acl.has_default = true;
		reader->rights = &reader->config->acl.other;
		reader->rights->line = reader->line;
	}
	return 0;
}

/* `name` is what stands between the brackets. */
static int enter_section(struct reader *reader, const char *name)
{
	if (leave_section(reader) < 0)
		return reader->result;
	reader->rights = NULL;
	reader->has_key = false;
	reader->section_line = reader->line;
	memset(reader->list_lines, 0, sizeof reader->list_lines);
	if (strcmp(name, "broker") == 0)
		return enter_once(reader, SECTION_BROKER, name);
	if (strcmp(name, "quota") == 0)
		return enter_once(reader, SECTION_QUOTA, name);
	if (strcmp(name, "default") == 0)
		return enter_once(reader, SECTION_DEFAULT, name);
	if (strncmp(name, "topic", 5) == 0 && strchr(" \t", name[5]))
		return enter_topic(reader, name + 5 + strspn(name + 5, " \t"));
	return refuse(reader, "unknown section [%.60s]; write %s", name,
		ALLOWED_SECTIONS);
}

/* A line that starts with '['. */
static int read_head(struct reader *reader, const char *line, size_t bytes)
{
	char name[sizeof "topic  " + MSG_TOPIC_BYTES_MAX + 64];
	const char *close = memchr(line, ']', bytes);
	const char *rest = close ? close + 1 : line + bytes;

	while (rest < line + bytes && strchr(" \t\r", *rest))
		rest++;
	if (!close || (rest < line + bytes && *rest != ';' && *rest != '#'))
		return refuse(reader,
			"a section's head is its name between [ and ], and "
			"nothing behind; write %s",
			ALLOWED_SECTIONS);
	bytes = (size_t)(close - line) - 1;
	if (bytes >= sizeof name)
		return refuse(reader,
			"the section's name is too long: a pattern has at "
			"most %u bytes",
			MSG_TOPIC_BYTES_MAX);
	memcpy(name, line + 1, bytes);
	while (bytes > 0 && strchr(" \t", name[bytes - 1]))
		bytes--;
	name[bytes] = '\0';
	return enter_section(reader, name);
}

/* ---- keys ----------------------------------------------------------------- */

static int broker_key(struct reader *reader, const char *key, const char *value)
{
	char allowed[256] = "";

	for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
		uint32_t *line = &reader->config->lines[i];

		strcat(strcat(allowed, i ? ", " : ""), config_specs[i].key);
		if (strcmp(config_specs[i].key, key) != 0)
			continue;
		if (*line)
			return refuse(reader,
				"'%s' stands in line %u already; write it once",
				key, *line);
		*line = reader->line;
		if (config_store(reader->config, (enum config_setting)i, value,
			    CONFIG_FROM_FILE, reader->line) < 0)
			return refuse(reader, "%s: %s", key, msg_trail_text());
		return 0;
	}
	return refuse(
		reader, "[broker] has no key '%.50s'; it has %s", key, allowed);
}

static int root_exempt(struct reader *reader, const char *value)
{
	bool yes = strcmp(value, "yes") == 0;

	if (!yes && strcmp(value, "no") != 0)
		return refuse(reader,
			"root_exempt: '%.40s' is neither yes nor no", value);
	reader->config->limits.root_exempt = yes;
	return 0;
}

static int quota_key(struct reader *reader, const char *key, const char *value)
{
	static const struct {
		const char *key;
		uint64_t least, most;
	} kinds[ACCOUNT_KIND_COUNT] = {
#define CONFIG_QUOTA(id, key, normal, least, most, what) {key, least, most},
		ACCOUNT_KINDS(CONFIG_QUOTA)
#undef CONFIG_QUOTA
	};
	uint32_t *lines = reader->config->limit_lines;
	char allowed[256] = "";
	int which = 0;

	for (; which < ACCOUNT_KIND_COUNT; which++) {
		if (strcmp(kinds[which].key, key) == 0)
			break;
		strcat(strcat(allowed, kinds[which].key), ", ");
	}
	if (which == ACCOUNT_KIND_COUNT && strcmp(key, "root_exempt") != 0)
		return refuse(reader,
			"[quota] has no key '%.50s'; it has %sroot_exempt", key,
			allowed);
	if (lines[which])
		return refuse(reader,
			"'%s' stands in line %u already; write it once", key,
			lines[which]);
	lines[which] = reader->line;
	if (which == ACCOUNT_KIND_COUNT)
		return root_exempt(reader, value);
	if (config_parse_number(value, kinds[which].least, kinds[which].most,
		    &reader->config->limits.most[which]) < 0)
		return refuse(reader, "%s: %s", key, msg_trail_text());
	return 0;
}

/* Who "uid:N", "user:NAME", … is. */
static int resolve(struct reader *reader, const char *word, enum acl_who *who,
	uint32_t *id)
{
	const char *name = word + strcspn(word, ":");
	const struct passwd *user;
	const struct group *group;
	uint64_t number = 0;

	name += *name == ':';
	*who = word[0] == 'u' ? ACL_USER : ACL_GROUP;
	if (!strncmp(word, "uid:", 4) || !strncmp(word, "gid:", 4)) {
		if (config_parse_number(name, 0, CONFIG_ID_MAX, &number) < 0)
			return refuse(reader, "%s: %s", word, msg_trail_text());
		*id = (uint32_t)number;
	} else if (!strncmp(word, "user:", 5)) {
		user = getpwnam(name);
		if (!user)
			return refuse(reader,
				"there is no user '%.64s' on this host; make "
				"it, or write uid:NUMBER",
				name);
		*id = user->pw_uid;
	} else if (!strncmp(word, "group:", 6)) {
		group = getgrnam(name);
		if (!group)
			return refuse(reader,
				"there is no group '%.64s' on this host; make "
				"it, or write gid:NUMBER",
				name);
		*id = group->gr_gid;
	} else {
		return refuse(reader,
			"'%.64s' names nobody; write *, uid:NUMBER, user:NAME, "
			"gid:NUMBER or group:NAME",
			word);
	}
	return 0;
}

/* Who a word of a list means, into the list. */
static int add_word(
	struct reader *reader, struct acl_list *list, const char *word)
{
	enum acl_who who = ACL_ANYBODY;
	uint32_t id = 0;

	if (strcmp(word, "*") != 0 && resolve(reader, word, &who, &id) < 0)
		return reader->result;
	if (!acl_list_add(list, who, id))
		return refuse(reader,
			"the list has more than %u entries; write a group "
			"instead",
			ACL_ENTRIES_MAX);
	return 0;
}

static int rights_key(
	struct reader *reader, const char *key, const char *value, bool more)
{
	char words[1024], *rest = NULL;
	enum acl_right right = ACL_SUBSCRIBE;

	if (strcmp(key, rights[ACL_PUBLISH]) == 0)
		right = ACL_PUBLISH;
	else if (strcmp(key, rights[ACL_SUBSCRIBE]) != 0)
		return refuse(reader,
			"a section of rights has no key '%.50s'; it has "
			"subscribe, publish",
			key);
	if (!more && reader->list_lines[right])
		return refuse(reader,
			"'%s' stands in line %u already; write it once", key,
			reader->list_lines[right]);
	reader->list_lines[right] = reader->line;
	snprintf(words, sizeof words, "%s", value); /* Lines are shorter. */
	for (char *word = strtok_r(words, ", \t", &rest); word;
		word = strtok_r(NULL, ", \t", &rest))
		if (add_word(reader, &reader->rights->lists[right], word) < 0)
			return reader->result;
	return 0;
}

/* What libinih calls for each key, and again with each line that goes on.  In
 * its words, 0 is a failure. */
static int handle_key(
	void *context, const char *section, const char *key, const char *value)
{
	struct reader *reader = context;
	bool more = reader->indented && reader->has_key;

	(void)section; /* read_head knows better. */
	reader->has_key = true;
	if (more && !reader->rights)
		refuse(reader,
			"the line is indented, so it would go on with '%s', "
			"which takes one value; remove the blanks in front",
			key);
	else if (reader->section == SECTION_BROKER)
		broker_key(reader, key, value);
	else if (reader->section == SECTION_QUOTA)
		quota_key(reader, key, value);
	else if (reader->rights)
		rights_key(reader, key, value, more);
	else
		refuse(reader, "'%.50s' stands in no section; write %s first",
			key, ALLOWED_SECTIONS);
	return reader->result == 0;
}

/* ---- lines ---------------------------------------------------------------- */

static int check_line(
	struct reader *reader, const char *line, size_t bytes, size_t room)
{
	const char *text = line + strspn(line, " \t");

	for (size_t i = 0; i < bytes; i++)
		if (((unsigned char)line[i] < ' ' &&
			    !strchr("\t\r", line[i])) ||
			line[i] == 0x7f || line[i] == '\0')
			return refuse(reader,
				"there is a control character at byte %zu; "
				"remove it",
				i);
	if (reader->indented && text < line + bytes && *text == '[')
		return refuse(reader,
			"a section's head stands at the line's beginning; "
			"remove the blanks in front");
	if (line[0] != '[' && bytes > room)
		return refuse(reader,
			"the line has %zu bytes, and %zu is the most; lists "
			"may go on in lines that are indented",
			bytes, room);
	return 0;
}

/* The next line for libinih, as fgets would have it; NULL ends the file.  A
 * head is replaced by an anonymous one, which makes it forget the last key. */
static char *read_line(char *out, int capacity, void *stream)
{
	struct reader *reader = stream;
	const char *line = reader->next;
	size_t bytes, room = (size_t)capacity - 2; /* Without '\n' and '\0'. */

	if (reader->result < 0 || line == reader->end)
		return NULL;
	bytes = (size_t)((const char *)memchr(
				 line, '\n', (size_t)(reader->end - line)) -
			 line);
	reader->next = line + bytes + 1;
	reader->line++;
	reader->indented = line[0] == ' ' || line[0] == '\t';
	if (check_line(reader, line, bytes, room) < 0)
		return NULL;
	if (line[0] != '[') {
		memcpy(out, line, bytes + 1);
		out[bytes + 1] = '\0';
		return out;
	}
	if (read_head(reader, line, bytes) < 0)
		return NULL;
	return strcpy(out, "[]\n");
}

/* The text must end with a line feed. */
static int parse(
	struct config *config, const char *path, const char *text, size_t bytes)
{
	struct reader reader = {
		.config = config,
		.path = path,
		.next = text,
		.end = text + bytes,
	};
	int line;

	if (bytes > 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		reader.next += 3; /* A byte order mark says nothing in UTF-8. */
	line = ini_parse_stream(read_line, &reader, handle_key, &reader);
	/* Of lines that are no key it tells no other way. */
	if (line > 0 && (reader.result == 0 || (uint32_t)line < reader.line)) {
		reader.result = 0;
		return refuse_at(&reader, (uint32_t)line,
			"the line is neither KEY = VALUE nor a section nor a "
			"comment (; or #)");
	}
	if (line < 0 && reader.result == 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: no memory to read it; give the machine more",
			path);
	leave_section(&reader);
	return reader.result;
}

/* ---- the file ------------------------------------------------------------- */

/* All of it and a line feed, into `text` of CONFIG_FILE_BYTES_MAX + 1. */
static int read_whole(int fd, const char *path, char *text, size_t *bytes)
{
	struct stat status;

	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
		(status.st_mode & S_IWOTH))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: everybody may write it, and so choose his own "
			"rights; run chmod o-w",
			path);
	*bytes = 0;
	while (*bytes < CONFIG_FILE_BYTES_MAX) {
		ssize_t count =
			read(fd, text + *bytes, CONFIG_FILE_BYTES_MAX - *bytes);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"%s: cannot be read: %s", path,
				strerror(errno));
		if (count == 0) {
			text[(*bytes)++] = '\n';
			return 0;
		}
		*bytes += (size_t)count;
	}
	return msg_fail(MSG_ERROR_ARGUMENT,
		"%s: is larger than %u KiB; remove comments, or join [topic] "
		"sections with wildcards",
		path, CONFIG_FILE_BYTES_MAX >> 10);
}

int config_read_file(struct config *config, const char *path, bool required)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *text;
	size_t bytes = 0;
	int result;

	if (fd < 0 && errno == ENOENT && !required)
		return 0;
	if (fd < 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s: cannot be read: %s; give another with --config",
			path, strerror(errno));
	text = malloc(CONFIG_FILE_BYTES_MAX + 1);
	result = text ? read_whole(fd, path, text, &bytes)
		      : msg_fail(MSG_ERROR_ARGUMENT,
				"%s: no memory to read it; give the machine "
				"more",
				path);
	if (result == 0)
		result = parse(config, path, text, bytes);
	if (result == 0)
		snprintf(config->file, sizeof config->file, "%s", path);
	free(text);
	close(fd);
	return result;
}
