// SPDX-License-Identifier: BSD-2-Clause
/*
 * plugin.c - the one symbol libudmc-fi.so exports.
 *
 * libfabric looks for fi_prov_ini in every file ending in `fi.so` below
 * FI_PROVIDER_PATH.  It skips a provider that claims an older API than the
 * application asks for, so the claim follows the library that loads us, up to
 * the newest one this was run with.
 */
#include "core.h"
#include "udmc.h"

FI_EXT_INI;

FI_EXT_INI
{
	uint32_t newest = FI_VERSION(2, 6);
	uint32_t version = fi_version();

	udmc_loaded = true;
	udmc_prov.fi_version = version < newest ? version : newest;
	udmc_settings_define();
	return &udmc_prov;
}
