# SPDX-License-Identifier: BSD-2-Clause
#
# What `cmake --install` puts where, and the static library.
#
#   include/msg/            msg.h, stats.h, broker.h, type.h; *.hpp (bindings/cxx/)
#   LIB/libmsg.so, .a       the same functions in both, and no others
#   LIB/msg/                libmsg-fabric.so, which libmsg loads by itself
#   LIB/pkgconfig/          libmsg.pc
#   LIB/cmake/msg/          find_package(msg): msg::msg, msg::msg_static
#   LIB/libfabric/          the provider, for any libfabric program (provider/)
#   bin/msg                 the program (tool/)
#   share/man/              msg.1 (tool/), man/'s of sections 1, 3 and 7, a link for each
#                           function; msgbrokerd.8 and msg.conf.5 (broker/)
#   share/bash-completion/, share/zsh/   completion of msg
#   share/msg/msg.lua       frames in Wireshark
#   share/doc/msg/          README.md, CHANGES.md, LICENSE
#
# Each file belongs to a component, which is a package of a distribution:
# runtime, dev, tools, broker, provider; see cmake/packages.cmake.

# ---- the static library ----------------------------------------------------

# One object of all, in which only the functions of libmsg.map stay visible: a
# program may have a `lock` or a protobuf of its own.  The sanitizers keep books
# of global symbols, so their builds skip that step.
file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/libmsg.map msg_public
	REGEX "^[\t ]+msg_[a-z_]+;$")
list(TRANSFORM msg_public REPLACE "^[\t ]+|;$" "")
list(JOIN msg_public "\n" msg_public_lines)
set(msg_public_list ${CMAKE_CURRENT_BINARY_DIR}/public-symbols.txt)
file(CONFIGURE OUTPUT ${msg_public_list} CONTENT "@msg_public_lines@\n" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
	${CMAKE_CURRENT_SOURCE_DIR}/libmsg.map)

set(msg_whole ${CMAKE_CURRENT_BINARY_DIR}/msg-whole.o)
set(msg_localise COMMAND ${CMAKE_OBJCOPY}
	--keep-global-symbols=${msg_public_list} ${msg_whole})
if(MSG_SANITIZE)
	set(msg_localise)
endif()
add_custom_command(
	OUTPUT ${msg_whole}
	COMMAND ${CMAKE_LINKER} -r -o ${msg_whole}
		$<TARGET_OBJECTS:msg_core> $<TARGET_OBJECTS:msg_proto>
	${msg_localise}
	DEPENDS $<TARGET_OBJECTS:msg_core> $<TARGET_OBJECTS:msg_proto>
		${msg_public_list}
	COMMENT "Merging the objects of libmsg.a"
	COMMAND_EXPAND_LISTS VERBATIM)
set_source_files_properties(${msg_whole} PROPERTIES
	EXTERNAL_OBJECT TRUE GENERATED TRUE)

add_library(msg_static STATIC ${msg_whole})
add_library(msg::msg_static ALIAS msg_static)
set_target_properties(msg_static PROPERTIES
	OUTPUT_NAME msg
	LINKER_LANGUAGE C)
target_include_directories(msg_static INTERFACE
	$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
	$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(msg_static INTERFACE
	PkgConfig::PROTOBUF_C Threads::Threads ${CMAKE_DL_LIBS})
add_dependencies(msg_static msg_fabric)

# ---- files -----------------------------------------------------------------

install(TARGETS msg_shared msg_static EXPORT msg_targets
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
		COMPONENT runtime NAMELINK_COMPONENT dev
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(TARGETS msg_fabric
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/msg COMPONENT runtime)
install(FILES include/msg/msg.h include/msg/stats.h include/msg/broker.h
	include/msg/type.h
	DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/msg COMPONENT dev)
include(man/install.cmake)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
	DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT license)
install(FILES ${PROJECT_SOURCE_DIR}/README.md CHANGES.md
	DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT dev)

# The program finds the library of its own prefix, wherever that was moved; a
# distribution's is found anyway.
if(TARGET msg_tool AND NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
	file(RELATIVE_PATH msg_bin_to_lib
		${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
	set_target_properties(msg_tool PROPERTIES
		INSTALL_RPATH "$ORIGIN/${msg_bin_to_lib}")
endif()

# ---- how others find it ---------------------------------------------------

include(CMakePackageConfigHelpers)
set(msg_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/msg)
install(EXPORT msg_targets NAMESPACE msg:: FILE msg-targets.cmake
	DESTINATION ${msg_package_dir} COMPONENT dev)
configure_package_config_file(cmake/msg-config.cmake.in msg-config.cmake
	INSTALL_DESTINATION ${msg_package_dir})
# Until 1.0 a minor version may break its users.
write_basic_package_version_file(msg-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES
	${CMAKE_CURRENT_BINARY_DIR}/msg-config.cmake
	${CMAKE_CURRENT_BINARY_DIR}/msg-config-version.cmake
	DESTINATION ${msg_package_dir} COMPONENT dev)

# The way up from the .pc file to the prefix depends on the depth of the
# library folder: Debian's is lib/x86_64-linux-gnu.
file(RELATIVE_PATH msg_pc_to_prefix
	${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" msg_pc_to_prefix "${msg_pc_to_prefix}")
file(RELATIVE_PATH msg_pc_libdir
	${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH msg_pc_includedir
	${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(cmake/libmsg.pc.in libmsg.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/libmsg.pc
	DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
