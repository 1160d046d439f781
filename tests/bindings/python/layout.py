# SPDX-License-Identifier: BSD-2-Clause
"""layout.py - what the package believes of the C headers is what they say.

    layout.py SOURCE VERSION

Structs, codes and prototypes are compared, both ways, with tests/abi/layout.golden,
which abi.layout holds to the headers; version and licence with the project's.  And
each public name has its docstring.
"""

import ctypes
import inspect
import os
import re
import sys

import msg
from msg import _library as library

SOURCE, VERSION = sys.argv[1], sys.argv[2]
FAILED = []

# Of broker.h, which the package leaves to the program `msg`; what of type.h needs C;
# and a Python program waits in Python, where signals are handled.
NOT_BOUND = re.compile(
    r"msg_(broker|filter)_|msg_subscriber_wait$|"
    r"msg_type_(of_protobuf|of_cstruct|schema|descriptor|walk)$"
)
ELSEWHERE = re.compile(r"MSG_BROKER_(STATE|ROLE|READER)_|MSG_COUNTER_|MSG_NODE_")
SCALARS = {
    "int": ctypes.c_int,
    "uint64_t": ctypes.c_uint64,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "void": None,
}


def check(what, found, wanted):
    if found != wanted:
        FAILED.append(f"{what}: {found!r} in Python, {wanted!r} in C")


def read():
    """Sizes, fields, codes and prototypes of the golden file."""
    sizes, fields, codes, calls = {}, {}, {}, {}
    with open(os.path.join(SOURCE, "tests/abi/layout.golden"), encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if line.startswith("#"):
                continue
            if words[0] == "struct" and len(words) == 3 and words[2].isdigit():
                sizes[words[1]] = int(words[2])
            elif "(" in line:
                result, name, arguments = re.match(
                    r"(.*?[ *])(msg_\w+) ?\((.*)\);", line
                ).groups()
                calls[name] = (result.strip(), arguments)
            elif "." in words[0]:
                struct, field = words[0].split(".")
                fields.setdefault(struct, {})[field] = (int(words[1]), int(words[2]))
            else:
                codes[words[0]] = int(words[1])
    return sizes, fields, codes, calls


def check_structs(sizes, fields):
    for name, struct in library.STRUCTS.items():
        check(f"size of {name}", ctypes.sizeof(struct), sizes[name])
        found = {
            field: (getattr(struct, field).offset, getattr(struct, field).size)
            for field, _ in struct._fields_
        }
        check(f"fields of {name}", found, fields[name])


def check_codes(codes):
    for prefix, enum in library.ENUMS.items():
        wanted = {
            name[len(prefix) :]: value
            for name, value in codes.items()
            if name.startswith(prefix) and not ELSEWHERE.match(name)
        }
        found = {one.name: one.value for one in enum}
        check(prefix, found, wanted)
    check(
        "MSG_NODE_PROGRESS_THREAD",
        library.NODE_PROGRESS_THREAD,
        codes["MSG_NODE_PROGRESS_THREAD"],
    )


def matches(kind, text):
    """Whether a ctypes type may stand for a C type."""
    text = text.strip()
    if "*" not in text:
        word = re.sub(r"^(const )?(enum \w+|\w+).*", r"\2", text)
        return kind is (ctypes.c_int if word.startswith("enum ") else SCALARS[word])
    if re.match(r"(const )?char \*", text) and "**" not in text:
        return kind is ctypes.c_char_p
    struct = re.match(r"(const )?struct (\w+) \*(\*)?", text)
    if struct and struct.group(2) in library.STRUCTS and not struct.group(3):
        return kind is ctypes.POINTER(library.STRUCTS[struct.group(2)])
    # A handle, memory, or where a handle goes.
    if struct and struct.group(3):
        return kind is ctypes.POINTER(ctypes.c_void_p)
    return kind is ctypes.c_void_p


def check_calls(calls):
    bound = {**library.STEADY, **library.BLOCKING}
    wanted = {name for name in calls if not NOT_BOUND.match(name)}
    check("calls", sorted(bound), sorted(wanted))
    check("bound twice", sorted(set(library.STEADY) & set(library.BLOCKING)), [])
    for name in wanted & set(bound):
        result, arguments = calls[name]
        kinds = [] if arguments == "void" else arguments.split(",")
        found_result, found = bound[name]
        if not matches(found_result, result):
            FAILED.append(f"{name} returns {found_result}, {result} in C")
        if len(kinds) != len(found):
            FAILED.append(f"{name} takes {len(found)} arguments, {len(kinds)} in C")
        for kind, text in zip(found, kinds):
            if not matches(kind, text):
                FAILED.append(f"{name}: {kind} stands for {text}")


def check_docstrings():
    for name in msg.__all__:
        thing = getattr(msg, name)
        if name == "COUNTERS":
            continue
        if not inspect.getdoc(thing):
            FAILED.append(f"msg.{name} has no docstring")
        if not inspect.isclass(thing):
            continue
        for member, value in vars(thing).items():
            public = not member.startswith("_")
            if public and isinstance(value, (property, type(check))):
                if not inspect.getdoc(value):
                    FAILED.append(f"msg.{name}.{member} has no docstring")


def check_version():
    check("version", library.VERSION, VERSION)
    check("soname", library.SONAME, "libmsg.so." + VERSION.split(".", maxsplit=1)[0])
    path = os.path.join(SOURCE, "bindings/python/pyproject.toml")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(path, re.search(r'^version = "(.*?)"', text, re.M).group(1), VERSION)


all_sizes, all_fields, all_codes, all_calls = read()
check_structs(all_sizes, all_fields)
check_codes(all_codes)
check_calls(all_calls)
check_docstrings()
check_version()
print("\n".join(FAILED) if FAILED else f"{len(library.STRUCTS)} structs as in C")
sys.exit(1 if FAILED else 0)
