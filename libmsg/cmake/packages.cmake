# SPDX-License-Identifier: BSD-2-Clause
#
# Packages for Debian and its relatives, a component of the installation each:
#
#   component  package         holds
#   runtime    libmsg0         the library and its fabric module
#   dev        libmsg-dev      headers, static library, manual pages of section 3
#   tools      msg-tools       the program msg
#   broker     msgbrokerd      the broker, its units, its manual
#   provider   libfabric-udmc  the provider, for any libfabric program
#   exporter   msg-exporter    counters for a monitoring system
#   python     python3-msg     the Python binding
#
# A component that nothing is installed into makes no package.  This is included
# last, when all have been named, and only does something in a build for /usr
# (debian.cmake).
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
	return()
endif()

set(MSG_PACKAGE_CONTACT "libmsg <libmsg@localhost>" CACHE STRING
	"maintainer of the packages, NAME <ADDRESS>")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT ${MSG_PACKAGE_CONTACT})
set(CPACK_PACKAGE_VENDOR libmsg)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE
	OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Programs find libmsg.so of this build; which package has it they are told below.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/libmsg)

set(msg_version ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
set(msg_here ${CMAKE_CURRENT_LIST_DIR}/debian)

# package(COMPONENT NAME SECTION SUMMARY TEXT)
macro(msg_package component name section summary text)
	string(TOUPPER ${component} msg_upper)
	set(CPACK_DEBIAN_${msg_upper}_PACKAGE_NAME ${name})
	set(CPACK_DEBIAN_${msg_upper}_PACKAGE_SECTION ${section})
	set(CPACK_DEBIAN_${msg_upper}_DESCRIPTION "${summary}\n${text}")
	list(APPEND msg_known ${component})
	list(APPEND msg_names ${name})
endmacro()

set(libmsg_package libmsg${PROJECT_VERSION_MAJOR})
set(msg_text "Messages travel as UD multicast over RDMA, or over kernel UDP,
and are read where the network card wrote them.")
msg_package(runtime ${libmsg_package} libs
	"publish and subscribe over RDMA (library)" "${msg_text}")
msg_package(dev libmsg-dev libdevel
	"publish and subscribe over RDMA (development files)"
	"Headers, the static library, and manual pages of all functions.
${msg_text}")
msg_package(tools msg-tools net
	"publish and subscribe over RDMA (program msg)"
	"Publishes, shows, measures and explains from the shell.
${msg_text}")
msg_package(broker msgbrokerd net
	"one multicast endpoint for all processes of a host"
	"The broker receives each datagram once for all subscribers of its host,
and decides who may read and write which topic.
${msg_text}")
msg_package(provider libfabric-udmc libs
	"UD multicast as a provider of libfabric"
	"For any program that uses libfabric; libmsg has it built in.")
msg_package(exporter msg-exporter net
	"counters of msgbrokerd for monitoring systems"
	"Serves them as OpenMetrics text over HTTP, on this machine unless told.")
msg_package(python python3-msg python
	"publish and subscribe over RDMA (Python binding)" "${msg_text}")

set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS ibverbs-providers)
# How packages of others depend on the library, and that the loader is told.
set(msg_control ${PROJECT_BINARY_DIR}/debian/control)
file(WRITE ${msg_control}/shlibs "libmsg ${PROJECT_VERSION_MAJOR} \
${libmsg_package} (>= ${PROJECT_VERSION})\n")
file(WRITE ${msg_control}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
	"${msg_control}/shlibs;${msg_control}/triggers")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
	"${libmsg_package} (= ${msg_version}), libprotobuf-c-dev, libfabric-dev")
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS
	"${libmsg_package} (>= ${PROJECT_VERSION})")
# It has the library's code in it, and finds the fabric module in that package.
set(CPACK_DEBIAN_BROKER_PACKAGE_DEPENDS
	"${libmsg_package} (= ${msg_version}), passwd")
set(CPACK_DEBIAN_BROKER_PACKAGE_RECOMMENDS msg-tools)
set(CPACK_DEBIAN_BROKER_PACKAGE_CONTROL_EXTRA
	"${msg_here}/postinst;${msg_here}/prerm;${msg_here}/postrm")
set(CPACK_DEBIAN_BROKER_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_EXPORTER_PACKAGE_DEPENDS
	"${libmsg_package} (>= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_EXPORTER_PACKAGE_RECOMMENDS msgbrokerd)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
	"${libmsg_package} (>= ${PROJECT_VERSION}), python3")
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA
	"${msg_here}/python/postinst;${msg_here}/python/prerm")
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Elsewhere pip installs it from its folder.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/python/msg
	DESTINATION lib/python3/dist-packages COMPONENT python
	PATTERN __pycache__ EXCLUDE)

# What each package says of itself.
get_cmake_property(msg_components COMPONENTS)
string(TIMESTAMP msg_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(READ ${PROJECT_SOURCE_DIR}/LICENSE msg_license)
string(REGEX REPLACE "\n" "\n " msg_license " ${msg_license}")
string(REGEX REPLACE "\n +\n" "\n .\n" msg_license "${msg_license}")
string(STRIP "${msg_license}" msg_license)
set(msg_copyright "Format: \
https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: libmsg

Files: *
Copyright: 2026, the libmsg authors
License: BSD-2-Clause

License: BSD-2-Clause
 ${msg_license}
")
set(msg_changelog "libmsg (${msg_version}) unstable; urgency=medium

  * See CHANGES.md, in libmsg-dev.

 -- ${MSG_PACKAGE_CONTACT}  ${msg_date}
")
foreach(component name IN ZIP_LISTS msg_known msg_names)
	if(NOT component IN_LIST msg_components)
		continue()
	endif()
	list(APPEND CPACK_COMPONENTS_ALL ${component})
	foreach(file copyright changelog)
		file(WRITE ${PROJECT_BINARY_DIR}/debian/${name}/${file}
			"${msg_${file}}")
	endforeach()
	install(FILES ${PROJECT_BINARY_DIR}/debian/${name}/copyright
		DESTINATION share/doc/${name} COMPONENT ${component})
	install(FILES ${PROJECT_BINARY_DIR}/debian/${name}/changelog
		DESTINATION share/doc/${name} COMPONENT ${component}
		RENAME changelog.Debian)
endforeach()
# Compressed as Debian wants them, when all lies in its place.
set(CPACK_PRE_BUILD_SCRIPTS ${msg_here}/compress.cmake)
include(CPack)
