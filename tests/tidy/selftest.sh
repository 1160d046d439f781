#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# selftest.sh - each check of this folder accepts a small good tree and refuses
# it with one thing wrong, saying where.
# shellcheck disable=SC2016 # backquotes are text here
set -euo pipefail
export LC_ALL=C.UTF-8

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
failed=0 count=0
spdx='/* SPDX-License-Identifier: BSD-2-Clause */'

# put FILE LINE...
put() {
	local file=$tree/$1
	shift
	mkdir -p "$(dirname "$file")"
	printf '%s\n' "$@" >"$file"
}

# lines N TEXT
lines() {
	local i
	for ((i = 0; i < $1; i++)); do echo "$2"; done
}

good_tree() {
	rm -rf "$tree"
	put CMakeLists.txt '# SPDX-License-Identifier: BSD-2-Clause'
	put LICENSE 'Do as you like.'
	put broker/README.md '# broker'
	put bindings/README.md '# bindings'
	put proto/README.md '# proto'
	put tests/README.md '# tests'
	put examples/hello.c "$spdx" '#include <msg/msg.h>' 'int main(void);'
	put README.md '# It' '' '<!-- examples/hello.c -->' '```c' \
		"$(cat "$tree/examples/hello.c")" '```' '' \
		'See [the plan](libmsg/README.md).'
	put libmsg/README.md '# Plan' '1. `api/node.c:node_open` is called.'
	put libmsg/api/node.c "$spdx" '#include <stdio.h>' \
		'#include "base/clock.h"' '#include "link/link.h"' \
		'#include "link/shm/socket.h"' 'int node_open(void);'
	put libmsg/base/clock.h "$spdx"
	put libmsg/link/link.h "$spdx"
	put libmsg/link/fabric/endpoint.c "$spdx" '#include <rdma/fabric.h>' \
		'#include "udmc.h"'
	put libmsg/link/shm/socket.h "$spdx"
	put libmsg/link/shm/control.c "$spdx" '#include "link/shm/socket.h"' \
		'#include "base/clock.h"' '#include "broker.pb-c.h"'
	put libmsg/protocol/frame.c "$spdx" '#include <string.h>'
	put libmsg/provider/core.h "$spdx" '#include <rdma/fabric.h>'
	put libmsg/provider/info.c "$spdx" '#include "core.h"'
	put libmsg/tool/main.c "$spdx" '#include <msg/msg.h>'
	put bindings/python/it.py '# SPDX-License-Identifier: BSD-2-Clause' \
		'"""It."""' 'import sys' 'print(sys.path)'
	put bindings/cxx/it.hpp "$spdx" '/* It. */' 'class it' '{' 'public:' \
		'	/* Be it. */' '	int be();' '	it(it &&other);' \
		'private:' '	int own();' '};'
	put broker/main.c "$spdx" '#include <msg/msg.h>' \
		'#include "broker/server.h"' '#include "link/shm/segment.h"'
	put libmsg/include/msg/msg.h "$spdx" \
		'enum msg_error {' '	MSG_ERROR_AGAIN = 3,' '};' '' \
		'/* Open a node on the default lane.  Returns 0; AGAIN.' \
		' * Threads any.  Path setup. */' \
		'MSG_API MSG_MUST_CHECK int msg_node_open(' \
		'	struct msg_node **node);' ''
	put libmsg/libmsg.map '/* SPDX-License-Identifier: BSD-2-Clause */' \
		'MSG_0 { global:' '	msg_node_open;' '};'
	put tests/abi/layout.golden '# SPDX-License-Identifier: BSD-2-Clause' \
		'msg_node_options.port 0 4' \
		'int msg_node_open(struct msg_node **node);'
	page msg_node_open 'struct msg_node **node' '.Dv MSG_ERROR_AGAIN' \
		'.Va port'
}

# page NAME ARGUMENT LINE...: the manual page of one function
page() {
	local name=$1 argument=$2
	shift 2
	put libmsg/man/msg_node.3 '.\" SPDX-License-Identifier: BSD-2-Clause' \
		'.Dd November 28, 2026' '.Dt MSG_NODE 3' '.Os' '.Sh NAME' \
		".Nm $name" '.Nd a function' '.Sh SYNOPSIS' '.Ft int' \
		".Fo $name" ".Fa \"$argument\"" '.Fc' '.Sh DESCRIPTION' "$@"
}

# accepted CHECK
accepted() {
	count=$((count + 1))
	if ! bash "$here/$1.sh" "$tree" >"$work/said" 2>&1; then
		echo "FAIL: $1 refuses the good tree:"
		cat "$work/said"
		failed=1
	fi
}

# refused CHECK WHERE: the tree as it is now; the good one is put back.
refused() {
	count=$((count + 1))
	if bash "$here/$1.sh" "$tree" >"$work/said" 2>&1; then
		echo "FAIL: $1 accepts what is wrong in $2"
		failed=1
	elif ! grep -qF -- "$2" "$work/said"; then
		echo "FAIL: $1 does not name $2:"
		cat "$work/said"
		failed=1
	fi
	good_tree
}

good_tree
for check in doors licence words docstrings names readme sizes manuals pages \
	clocks python; do
	accepted $check
done

# ---- doors -------------------------------------------------------------------

# door FILE INCLUDE
door() {
	put "$1" "$spdx" "#include $2"
	refused doors "$1:2"
}
door libmsg/protocol/frame.c '"link/link.h"'
door libmsg/protocol/frame.c '<stdio.h>'
door libmsg/protocol/frame.c '<time.h>'
door libmsg/base/clock.c '"link/link.h"'
door libmsg/base/clock.c '<msg/stats.h>'
door libmsg/pool/slot.c '"protocol/frame.h"'
door libmsg/link/module.c '"engine/turn.h"'
door libmsg/link/module.c '<rdma/fabric.h>'
door libmsg/engine/turn.c '"topic/name.h"'
door libmsg/engine/turn.c '<infiniband/verbs.h>'
door libmsg/topic/name.c '"api/node.h"'
door libmsg/topic/name.c '"tool/text.h"'
door libmsg/topic/name.c '"name.h"'
door libmsg/api/node.c '"provider/core.h"'
door libmsg/api/node.c '"tool/text.h"'
door libmsg/api/node.c '<protobuf-c/protobuf-c.h>'
door libmsg/link/fabric/endpoint.c '"core.h"'
door libmsg/link/fabric/endpoint.c '"link/shm/socket.h"'
door libmsg/link/shm/control.c '"topic/name.h"'
door libmsg/link/shm/control.c '"control.pb-c.h"'
door libmsg/link/shm/control.c '<rdma/fabric.h>'
door libmsg/engine/turn.c '"link/shm/socket.h"'
door libmsg/topic/name.c '"broker.pb-c.h"'
door libmsg/link/fabric/endpoint.c '"engine/turn.h"'
door libmsg/provider/info.c '"link/link.h"'
door libmsg/provider/info.c '<msg/msg.h>'
door libmsg/tool/main.c '"base/clock.h"'
door examples/hello.c '"../libmsg/api/node.h"'
door bindings/python/view.c '"api/node.h"'
door libmsg/api/node.c '"broker/server.h"'
door libmsg/tool/main.c '"broker/server.h"'
door broker/main.c '"provider/core.h"'
door broker/main.c '<infiniband/verbs.h>'

# ---- manuals --------------------------------------------------------------------

if command -v mandoc >/dev/null; then
	put broker/page.8 '.Sh NOTHING'
	refused manuals broker/page.8:1
fi

# ---- pages ----------------------------------------------------------------------

page msg_node_shut 'struct msg_node **node' '.Va port'
refused pages libmsg/man/msg_node.3:6
page msg_node_open 'struct msg_node *node' '.Va port'
refused pages libmsg/man/msg_node.3:12
page msg_node_open 'struct msg_node **node' '.Va port' '.Dv MSG_ERROR_NONE'
refused pages libmsg/man/msg_node.3:15
page msg_node_open 'struct msg_node **node' '.Va port' '.Xr msg_nothing 3'
refused pages libmsg/man/msg_node.3:15
page msg_node_open 'struct msg_node **node' '.Va starboard'
refused pages msg_node_options.port
put libmsg/libmsg.map "$spdx" '	msg_node_open;' '	msg_node_more;'
refused pages msg_node_more
rm "$tree/libmsg/man/msg_node.3"
refused pages libmsg/man:1

# ---- licence, names, words ---------------------------------------------------

put libmsg/api/node.c 'int x;'
refused licence libmsg/api/node.c:1
put tests/run.sh '#!/bin/bash' 'true'
refused licence tests/run.sh:1
rm "$tree/LICENSE"
refused licence LICENSE:1

put docs/page.md 'A ninth name.'
refused names docs:1
rm -r "$tree/proto"
refused names proto:1

put libmsg/api/node.c "$spdx" 'int x; '
refused words libmsg/api/node.c:2
put libmsg/api/node.c "$spdx" $'int x;\r'
refused words libmsg/api/node.c:2
put libmsg/api/node.c "$spdx" "/* TO""DO: more. */"
refused words libmsg/api/node.c:2
put tests/a.sh '#!/bin/bash' "cd /ho""me/somebody"
refused words tests/a.sh:2
put tests/a.sh '#!/bin/bash' 'if true'
refused words tests/a.sh
put tests/a.sh '#!/bin/sh' 'done'
refused words tests/a.sh

# ---- clocks ------------------------------------------------------------------

# clock LINE
clock() {
	put libmsg/api/node.c "$spdx" "$1"
	refused clocks "libmsg/api/node.c:${2:-2}"
}
clock 'clock_gettime(CLOCK_REALTIME, &t);'
clock 'gettimeofday(&t, NULL);'
clock 'uint64_t now = time(NULL);'
clock 'pthread_cond_timedwait(&c, &m, &t);' 1

# ---- docstrings --------------------------------------------------------------

# contract COMMENT [RESULT]
contract() {
	put libmsg/include/msg/msg.h "$spdx" 'enum msg_error {' \
		'	MSG_ERROR_AGAIN = 3,' '};' '' \
		"$1" "MSG_API ${2:-int} msg_x(void);"
	refused docstrings libmsg/include/msg/msg.h:7
}
contract ''
contract '/* Do it.  Returns 0.  Threads any.  Path setup. */'
contract '/* Open the thing and hold it.  Threads any.  Path setup. */'
contract '/* Open the thing and hold it.  Returns 0.  Path setup. */'
contract '/* Open the thing and hold it.  Returns 0.  Threads any. */'
contract '/* Open the thing and hold it.  Returns 0; GONE.  Threads any.  Path setup. */'
contract '/* Placeholder for a contract.  Returns 0.  Threads any.  Path setup. */'
contract '/* Say what there is to say.  Path setup. */' void
put libmsg/include/msg/msg.h "$spdx"
refused docstrings libmsg/include/msg/msg.h:1

# header LINE...: of a class whose public part begins there.
header() {
	put bindings/cxx/it.hpp "$spdx" '/* It. */' 'class it' '{' 'public:' "$@"
	refused docstrings "bindings/cxx/it.hpp:${where:-6}"
}
header '	int be();' '};'
header '	explicit it(int be)' '	{' '	}' '};'
where=9 header '	/* Templates, too. */' '' '	template <class T>' '	T be();' '};'
where=8 header '	int be;' '};' 'inline int f()'
put bindings/cxx/it.hpp "$spdx" '' 'class it' '{' 'public:' '	/* Be. */' \
	'	int be();'
refused docstrings bindings/cxx/it.hpp:3
put bindings/cxx/it.hpp "$spdx"
refused docstrings bindings/cxx/it.hpp:1

# ---- python ------------------------------------------------------------------

# script WHERE LINE...
script() {
	put bindings/python/it.py '"""It."""' "${@:2}"
	refused python "bindings/python/it.py:$1"
}
script 2 'if True'
script 3 'if True:' '	print(1)'
script 2 "print('$(lines 9 1234567890 | tr -d '\n')')"
put bindings/python/it.py 'print(1)'
refused python bindings/python/it.py:1
if /usr/bin/python3 -c 'import pyflakes' 2>/dev/null; then
	script 2 'import sys'
	script 2 'print(unknown)'
fi

# ---- readme ------------------------------------------------------------------

put examples/hello.c "$spdx" 'int other;'
refused readme README.md:1
rm "$tree/examples/hello.c"
refused readme examples/hello.c
put README.md '# It'
refused readme README.md:1
put libmsg/README.md 'Calls `api/gone.c` then.'
refused readme libmsg/README.md:1
put libmsg/README.md 'Calls `api/node.c:gone` then.'
refused readme libmsg/README.md:1
put libmsg/README.md 'See [it](gone.md).'
refused readme libmsg/README.md:1
lines 150 . >>"$tree/README.md"
refused readme README.md:151

# ---- sizes: a list, never a failure ------------------------------------------

put libmsg/api/node.c "$spdx" 'int long_one(void)' '{' \
	"$(lines 71 '	x();')" '}' "$(lines 600 ';')"
accepted sizes
for wanted in 'libmsg/api/node.c:3: long_one: 71 lines' \
	'libmsg/api/node.c:1: 6'; do
	grep -qF "$wanted" "$work/said" ||
		{ echo "FAIL: sizes does not list '$wanted'"; failed=1; }
done

[ $failed = 0 ]
echo "$count trees judged"
