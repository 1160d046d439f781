/* SPDX-License-Identifier: BSD-2-Clause */
/* account.c - processor time; see account.h. */
#include "account.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>

double account_of_self(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return 1e9 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       1e3 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* schedstat counts in ns, where stat counts ticks of 10 ms. */
static double of_thread(long pid, const char *thread)
{
	unsigned long long ns = 0;
	char path[320];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", pid, thread);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &ns) != 1)
		ns = 0;
	fclose(file);
	return (double)ns;
}

double account_of_process(long pid)
{
	struct dirent *entry;
	double sum = 0;
	char path[64];
	DIR *folder;

	snprintf(path, sizeof path, "/proc/%ld/task", pid);
	folder = pid > 0 ? opendir(path) : NULL;
	if (!folder)
		return 0;
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			sum += of_thread(pid, entry->d_name);
	closedir(folder);
	return sum;
}
