# SPDX-License-Identifier: BSD-2-Clause
#
# Debian packages:
#
#   cmake -C libmsg/cmake/debian.cmake -S . -B build/debian
#   cmake --build build/debian --target package
#
# leaves them in build/debian/packages.  packages.cmake says which there are.
set(CMAKE_INSTALL_PREFIX "/usr" CACHE PATH "")
set(CMAKE_BUILD_TYPE "Release" CACHE STRING "")
set(CMAKE_C_FLAGS "-fstack-protector-strong -D_FORTIFY_SOURCE=2 \
-Wformat -Werror=format-security \
-ffile-prefix-map=${CMAKE_SOURCE_DIR}=." CACHE STRING "")
set(CMAKE_C_FLAGS_RELEASE "-O2" CACHE STRING "")
foreach(kind EXE SHARED MODULE)
	set(CMAKE_${kind}_LINKER_FLAGS "-Wl,-z,relro -Wl,-z,now" CACHE STRING "")
endforeach()
set(CMAKE_POSITION_INDEPENDENT_CODE ON CACHE BOOL "")
set(MSG_TESTS OFF CACHE BOOL "")
set(MSG_EXAMPLES OFF CACHE BOOL "")
