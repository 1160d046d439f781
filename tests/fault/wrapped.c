/* SPDX-License-Identifier: BSD-2-Clause */
/* wrapped.c - what the linker puts in place of the system's functions (--wrap),
 * where all that calls them in a program is ours; see faults.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "faults.h"

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void __real_free(void *block);
void __wrap_free(void *block);
void *__real_mmap(
	void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(
	void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
	void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
	void *(*run)(void *), void *argument);
ssize_t __real_getrandom(void *data, size_t bytes, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t bytes, unsigned flags);

static void *counted(void *block)
{
	faults_live += faults_inside && block;
	return block;
}

void *__wrap_malloc(size_t bytes)
{
	return faults_now() ? NULL : counted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return faults_now() ? NULL : counted(__real_calloc(count, bytes));
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
	return faults_now() ? NULL
			    : counted(__real_aligned_alloc(align, bytes));
}

void *__wrap_realloc(void *block, size_t bytes)
{
	if (faults_now())
		return NULL;
	return block ? __real_realloc(block, bytes)
		     : counted(__real_malloc(bytes));
}

void __wrap_free(void *block)
{
	faults_live -= faults_inside && block;
	__real_free(block);
}

void *__wrap_mmap(
	void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (faults_now()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	faults_live += faults_inside;
	return __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t bytes)
{
	faults_live -= faults_inside;
	return __real_munmap(at, bytes);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
	void *(*run)(void *), void *argument)
{
	if (faults_now())
		return EAGAIN;
	return __real_pthread_create(thread, attr, run, argument);
}

ssize_t __wrap_getrandom(void *data, size_t bytes, unsigned flags)
{
	if (faults_now()) {
		errno = ENOSYS;
		return -1;
	}
	return __real_getrandom(data, bytes, flags);
}
