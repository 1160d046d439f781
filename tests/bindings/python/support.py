# SPDX-License-Identifier: BSD-2-Clause
"""support.py - what the tests of the package say over and over."""


def must(condition, text=""):
    if not condition:
        raise AssertionError(text)


def raises(kind, call, *arguments, **options):
    """What `call` raises, which has to be of `kind`, and to say why."""
    try:
        call(*arguments, **options)
    except kind as error:
        must(str(error))
        return error
    raise AssertionError(f"{call} did not raise {kind.__name__}")


def one(subscriber, timeout=10):
    """The next message."""
    for view in subscriber.messages(timeout=timeout):
        return view
    raise AssertionError("nothing came")
