/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz.h - the one door of a fuzz target, as libFuzzer defines it. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Run one input; abort on a fault. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#endif
