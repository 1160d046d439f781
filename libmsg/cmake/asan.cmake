# SPDX-License-Identifier: BSD-2-Clause
# cmake -C libmsg/cmake/asan.cmake -B build/asan: address and undefined.
set(MSG_SANITIZE "address,undefined" CACHE STRING "")
set(CMAKE_BUILD_TYPE "RelWithDebInfo" CACHE STRING "")
set(MSG_WERROR ON CACHE BOOL "")
