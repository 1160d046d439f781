# SPDX-License-Identifier: BSD-2-Clause
#
# Run by CPack on the files of all packages: manual pages and change logs are
# compressed, and a page that only leads to another becomes a link.

find_program(gzip gzip REQUIRED)
file(GLOB_RECURSE pages
	${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*/usr/share/man/*.[1-8]
	${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*/usr/share/doc/*/changelog.Debian)
foreach(page IN LISTS pages)
	file(STRINGS ${page} leads LIMIT_COUNT 1 REGEX "^\\.so man[1-8]/")
	if(leads)
		string(REGEX REPLACE "^\\.so man[1-8]/" "" target ${leads})
		file(REMOVE ${page})
		file(CREATE_LINK ${target}.gz ${page}.gz SYMBOLIC)
	else()
		execute_process(COMMAND ${gzip} -9n ${page}
			COMMAND_ERROR_IS_FATAL ANY)
	endif()
endforeach()
