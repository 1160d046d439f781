# SPDX-License-Identifier: BSD-2-Clause
# cmake -C libmsg/cmake/tsan.cmake -B build/tsan: data races.
set(MSG_SANITIZE "thread" CACHE STRING "")
set(CMAKE_BUILD_TYPE "RelWithDebInfo" CACHE STRING "")
set(MSG_WERROR ON CACHE BOOL "")
