/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hash.c - the hash is part of the wire; see base/hash.h.
 *
 * The vectors are those of proto/README.md, computed there by an independent
 * program; without the finaliser "a" and "foobar" are the vectors that FNV's
 * authors publish (af63dc4c8601ec8c, 85944171f73967e8).
 */
#include "base/hash.h"

#include <string.h>

#include "check_main.h"

static const struct {
	const char *name;
	uint64_t hash;
} vectors[] = {
	{"", 0xf52a15e9a9b5e89b},
	{"a", 0x02c0bdbf481420f8},
	{"foobar", 0x404da9e3b74078c2},
	{"hello", 0x16fe05a1c75bcd0f},
	{"a.b.c", 0xd83eb9942e184956},
	{"md.acme.bid", 0xc90704082446264a},
	{"md.acme.ask", 0x0a4318c96e0b365f},
	{"pr\xc3\xbc"
	 "f.gr\xc3\xb6\xc3\x9f"
	 "e",
		0x800548194b21f4bc},
};

START_TEST(the_hash_gives_the_vectors_of_the_specification)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		ck_assert_uint_eq(
			msg_hash(vectors[i].name, strlen(vectors[i].name)),
			vectors[i].hash);
}
END_TEST

START_TEST(bytes_above_127_count_as_unsigned)
{
	const char high = '\xff';

	/* (fnv offset ^ 0xff) * fnv prime, finalised. */
	ck_assert_uint_eq(msg_hash(&high, 1),
		msg_hash_mix((0xcbf29ce484222325 ^ 0xff) * 0x100000001b3));
}
END_TEST

START_TEST(the_finaliser_keeps_zero_and_mixes_one)
{
	ck_assert_uint_eq(msg_hash_mix(0), 0);
	ck_assert_uint_eq(msg_hash_mix(1), 0x5692161d100b05e5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *hash = check_case(suite, "hash", 10);

	tcase_add_test(hash, the_hash_gives_the_vectors_of_the_specification);
	tcase_add_test(hash, bytes_above_127_count_as_unsigned);
	tcase_add_test(hash, the_finaliser_keeps_zero_and_mixes_one);
	return check_main(suite, NULL);
}
