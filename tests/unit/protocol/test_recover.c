/* SPDX-License-Identifier: BSD-2-Clause */
#include "recover_oracle.h"

int main(void)
{
	Suite *suite = suite_create("recover");

	add_oracle_tests(suite);
	return check_main(suite, NULL);
}
