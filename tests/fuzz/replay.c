/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.c - run the files given, or those in the folders given, once each.
 *
 * For compilers without libFuzzer, and for looking at one input in a debugger.
 * A corpus that is not there is a failure and not zero inputs.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_BYTES_MAX (1u << 20)

static unsigned count;

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "%s: ", what);
	perror(path);
	exit(EXIT_FAILURE);
}

static void run_file(const char *path)
{
	uint8_t *data = malloc(INPUT_BYTES_MAX), *exact;
	FILE *file = fopen(path, "rb");
	size_t bytes;

	if (!file || !data)
		fail("open", path);
	bytes = fread(data, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	/* Of the exact size, so that a sanitizer sees a byte too far. */
	exact = realloc(data, bytes ? bytes : 1);
	if (!exact)
		fail("shrink", path);
	LLVMFuzzerTestOneInput(exact, bytes);
	free(exact);
	count++;
}

static void run_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	if (!folder)
		fail("open", path);
	while ((entry = readdir(folder))) {
		char file[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		run_file(file);
	}
	closedir(folder);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat about;

		if (stat(argv[i], &about) != 0)
			fail("find", argv[i]);
		if (S_ISDIR(about.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%u inputs replayed\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
