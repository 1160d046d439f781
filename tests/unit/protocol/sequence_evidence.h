/* SPDX-License-Identifier: BSD-2-Clause */
/* sequence_evidence.h - the part of test_sequence that hears announcements. */
#ifndef TESTS_UNIT_PROTOCOL_SEQUENCE_EVIDENCE_H
#define TESTS_UNIT_PROTOCOL_SEQUENCE_EVIDENCE_H

#include <check.h>

void add_evidence_tests(Suite *suite);

#endif
