/* SPDX-License-Identifier: BSD-2-Clause */
/* account.h - processor time, of this process and of a daemon. */
#ifndef PERF_ACCOUNT_H
#define PERF_ACCOUNT_H

/* User and system, in ns, of all threads. */
double account_of_self(void);

/* The same of another process; 0 for a pid of 0, or when it is gone. */
double account_of_process(long pid);

#endif
