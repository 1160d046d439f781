/* SPDX-License-Identifier: BSD-2-Clause */
/* node.hpp - this process on one lane, and the options of all; see msg.hpp. */
#ifndef MSG_CXX_NODE_HPP
#define MSG_CXX_NODE_HPP

#include <msg/cxx/object.hpp>

namespace msg
{

/* The structs of msg.h with every field at its default, as their initializers
 * there make them.  A call takes the C struct as well, for C++20's designated
 * initializers. */
struct node_options : ::msg_node_options {
	node_options() noexcept : ::msg_node_options()
	{
		struct_bytes = sizeof(::msg_node_options);
	}
};
struct publisher_options : ::msg_publisher_options {
	publisher_options() noexcept : ::msg_publisher_options()
	{
		struct_bytes = sizeof(::msg_publisher_options);
	}
};
struct subscriber_options : ::msg_subscriber_options {
	subscriber_options() noexcept : ::msg_subscriber_options()
	{
		struct_bytes = sizeof(::msg_subscriber_options);
	}
};

/* ---- node -------------------------------------------------------------- */

/* msg_node: this process on one lane.  It has to outlive what stands on it. */
class node : public detail::owner<::msg_node, ::msg_node_close>
{
public:
	/* Open one with the defaults.  Throws as msg_node_open fails. */
	node() : node(node_options())
	{
	}

	/* Open one.  Throws as msg_node_open fails. */
	explicit node(const ::msg_node_options &options)
	{
		int result = msg_node_open(&options, &handle_);
		if (result < 0)
			detail::fail_setup(result);
	}

	/* What it stands on; strings live as long as the node is open. */
	::msg_node_info describe() const noexcept
	{
		::msg_node_info info;
		msg_node_describe(handle_, &info);
		return info;
	}

	/* Announce and repair what is due; see msg_node_progress. */
	void progress() noexcept
	{
		msg_node_progress(handle_);
	}
};

} // namespace msg

#endif
