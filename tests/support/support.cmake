# SPDX-License-Identifier: BSD-2-Clause
#
# include() this for the Check set-up:
#
#   msg_add_check(NAME LABEL SOURCES... [LIBRARIES ...] [TIMEOUT s])
#
# makes the program test_NAME and the test LABEL.NAME; exit 77 is a skip.

include_guard(GLOBAL)
set(MSG_SUPPORT_DIR ${CMAKE_CURRENT_LIST_DIR} CACHE INTERNAL "")

add_library(msg_check STATIC ${MSG_SUPPORT_DIR}/check_main.c)
target_include_directories(msg_check PUBLIC ${MSG_SUPPORT_DIR})
target_link_libraries(msg_check PUBLIC PkgConfig::CHECK Threads::Threads)

# Receivers of one stream that keep books of their own; they abort when those and
# msg_sequence or msg_recover disagree.  No Check in it: the fuzzers use it too.
add_library(msg_receiver STATIC
	${MSG_SUPPORT_DIR}/follower.c ${MSG_SUPPORT_DIR}/receiver.c)
target_include_directories(msg_receiver PUBLIC ${MSG_SUPPORT_DIR})
target_link_libraries(msg_receiver PUBLIC msg_internal)

function(msg_add_check name label)
	cmake_parse_arguments(arg "" "TIMEOUT" "LIBRARIES" ${ARGN})
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 300)
	endif()
	add_executable(test_${name} ${arg_UNPARSED_ARGUMENTS})
	target_link_libraries(test_${name} PRIVATE
		msg_check ${arg_LIBRARIES} msg_internal)
	add_test(NAME ${label}.${name} COMMAND test_${name})
	set_tests_properties(${label}.${name} PROPERTIES
		LABELS ${label} SKIP_RETURN_CODE 77 TIMEOUT ${arg_TIMEOUT})
endfunction()
