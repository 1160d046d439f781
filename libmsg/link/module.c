/* SPDX-License-Identifier: BSD-2-Clause */
/* module.c - dlopen of the fabric room, once per process; see module.h. */
#include "link/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/trail.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct msg_link_domain_ops *loaded;
static void *loaded_module;

/* The folder of the object that holds this code, or false.  Of a program (the
 * broker) the linker knows no path but argv[0]; found along PATH that is a bare
 * name, which would mean a file of whatever folder we happen to be in. */
static bool own_folder(char *folder)
{
	Dl_info info;
	char path[PATH_MAX];
	char *slash;

	if (!dladdr((void *)&loaded, &info) || !info.dli_fname ||
		!realpath(strchr(info.dli_fname, '/') ? info.dli_fname
						      : "/proc/self/exe",
			path))
		return false;
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	*slash = '\0';
	snprintf(folder, PATH_MAX, "%s", path);
	return true;
}

/* Debian's libfabric pulls in libraries (libinfinipath) whose constructors
 * install handlers for SIGSEGV and others.  A library touches no signal, so
 * the application's dispositions are put back. */
static void *open_quietly(const char *path)
{
	struct sigaction before[NSIG];
	void *module;

	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &before[i]) != 0)
			before[i].sa_handler = SIG_ERR;
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	for (int i = 1; i < NSIG; i++)
		if (before[i].sa_handler != SIG_ERR)
			sigaction(i, &before[i], NULL);
	return module;
}

/* Try one folder.  The first failure worth reporting is kept in `why`. */
static void *try_folder(const char *folder, const char *below, char *why)
{
	char path[PATH_MAX + 64];
	void *module;

	snprintf(path, sizeof path, "%s%s/%s", folder, below,
		MSG_LINK_MODULE_FILE);
	if (access(path, F_OK) != 0)
		return NULL;
	module = open_quietly(path);
	if (!module && !*why)
		snprintf(why, MSG_TRAIL_BYTES, "%s", dlerror());
	return module;
}

static void *find_module(char *why)
{
	const char *named = secure_getenv("MSG_MODULE_DIR");
	char folder[PATH_MAX];
	void *module = NULL;

	if (named)
		module = try_folder(named, "", why);
	if (!module && own_folder(folder)) {
		module = try_folder(folder, "/msg", why);
		if (!module)
			module = try_folder(folder, "/../libmsg/msg", why);
	}
	if (!module)
		module = try_folder(MSG_MODULE_DIR_DEFAULT, "", why);
	return module;
}

/* The loader says what it lacks in its own words, and no code. */
static const char *advice(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return "raise the limit of open files (ulimit -n)";
	if (fd >= 0)
		close(fd);
	return "install libfabric1, librdmacm1 and libibverbs1";
}

static int load(void)
{
	char why[MSG_TRAIL_BYTES] = "";
	void *module = find_module(why);
	const struct msg_link_domain_ops *ops;

	if (!module && *why)
		return msg_fail(MSG_ERROR_FABRIC,
			"cannot load %s: %s; %s", MSG_LINK_MODULE_FILE, why,
			advice());
	if (!module)
		return msg_fail(MSG_ERROR_FABRIC,
			"%s is neither beside libmsg nor in %s; install it there or "
			"name its folder in MSG_MODULE_DIR",
			MSG_LINK_MODULE_FILE, MSG_MODULE_DIR_DEFAULT);
	ops = dlsym(module, MSG_LINK_MODULE_SYMBOL);
	if (!ops || ops->abi != MSG_LINK_ABI)
		return msg_fail(MSG_ERROR_FABRIC,
			"%s is of another version than libmsg; install both from "
			"one build",
			MSG_LINK_MODULE_FILE);
	loaded = ops;
	loaded_module = module;
	return 0;
}

int msg_link_module_load(const struct msg_link_domain_ops **ops)
{
	int result = 0;

	pthread_mutex_lock(&lock);
	if (!loaded)
		result = load();
	if (result == 0)
		*ops = loaded;
	pthread_mutex_unlock(&lock);
	return result;
}

int msg_link_module_channels(const struct msg_channel_module **channels)
{
	const struct msg_link_domain_ops *ops;
	const struct msg_channel_module *found;
	int result = msg_link_module_load(&ops);

	if (result < 0)
		return result;
	found = dlsym(loaded_module, MSG_CHANNEL_MODULE_SYMBOL);
	if (!found || found->abi != MSG_CHANNEL_ABI)
		return msg_fail(MSG_ERROR_FABRIC,
			"%s has no connections, or those of another version of "
			"libmsg; install both from one build",
			MSG_LINK_MODULE_FILE);
	*channels = found;
	return 0;
}
