# SPDX-License-Identifier: BSD-2-Clause
#
# The manual pages of this folder, and for each name that a page has besides its
# own a file that leads there: `man msg_publisher_send` shows msg_loan.3.

set(msg_manual_component_3 dev)
set(msg_manual_component_7 tools)
foreach(section 3 7)
	file(GLOB msg_pages CONFIGURE_DEPENDS
		${CMAKE_CURRENT_LIST_DIR}/*.${section})
	install(FILES ${msg_pages}
		DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section}
		COMPONENT ${msg_manual_component_${section}})
	foreach(page IN LISTS msg_pages)
		get_filename_component(msg_page ${page} NAME)
		# Only the names of NAME have a comma or the end behind them.
		file(STRINGS ${page} msg_names REGEX "^\\.Nm msg_[a-z_]+( ,)?$")
		list(TRANSFORM msg_names REPLACE "^\\.Nm ([a-z_]+).*" "\\1.${section}")
		list(REMOVE_DUPLICATES msg_names)
		list(REMOVE_ITEM msg_names ${msg_page})
		foreach(name IN LISTS msg_names)
			set(msg_link ${CMAKE_CURRENT_BINARY_DIR}/man/${name})
			file(CONFIGURE OUTPUT ${msg_link} @ONLY
				CONTENT ".so man${section}/${msg_page}\n")
			install(FILES ${msg_link}
				DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section}
				COMPONENT ${msg_manual_component_${section}})
		endforeach()
	endforeach()
endforeach()
