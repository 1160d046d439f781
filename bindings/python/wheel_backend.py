# SPDX-License-Identifier: BSD-2-Clause
"""wheel_backend.py - makes the wheel that `pip install bindings/python` installs.

A wheel of pure Python is a zip file with four more files in it, so this needs
nothing but Python: no setuptools, no network, no compiler.  pip calls the functions
without an underscore, as PEP 517 and 660 name them; pyproject.toml points here.
"""

import base64
import hashlib
import os
import re
import tarfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "msg"
# What zip cannot date earlier; the same tree makes the same wheel.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def _read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def _project():
    """The lines `name = "value"` of [project]."""
    table = re.search(r"^\[project\]\n(.*?)^\[", _read("pyproject.toml"), re.M | re.S)
    return dict(re.findall(r'^([\w-]+) = "(.*?)"', table.group(1), re.M))


def _extras():
    """Each `extra = ["what it needs"]`."""
    table = re.search(
        r"^\[project.optional-dependencies\]\n(.*?)(^\[|\Z)",
        _read("pyproject.toml"),
        re.M | re.S,
    )
    return re.findall(r'^(\w+) = \["(.*?)"\]', table.group(1), re.M)


def _metadata(project):
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        "License: BSD-2-Clause",
        f"Requires-Python: {project['requires-python']}",
    ]
    for extra, needs in _extras():
        lines += [
            f"Provides-Extra: {extra}",
            f'Requires-Dist: {needs}; extra == "{extra}"',
        ]
    lines += ["Description-Content-Type: text/markdown", "", _read("README.md")]
    return "\n".join(lines)


def _write_wheel(folder, files):
    """A wheel of {name: bytes}; the name of it."""
    project = _project()
    stem = f"{project['name']}-{project['version']}"
    info = f"{stem}.dist-info"
    files = dict(files)
    files[f"{info}/METADATA"] = _metadata(project).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: wheel_backend\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
        record.append(f"{name},sha256={digest.rstrip(b'=').decode()},{len(content)}")
    record.append(f"{info}/RECORD,,")
    files[f"{info}/RECORD"] = "\n".join(record + [""]).encode()
    wheel = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(
        os.path.join(folder, wheel), "w", zipfile.ZIP_DEFLATED
    ) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return wheel


def _sources():
    names = sorted(os.listdir(os.path.join(HERE, PACKAGE)))
    for name in names:
        if name.endswith((".py", ".typed")):
            yield f"{PACKAGE}/{name}"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The package as a wheel."""
    del config_settings, metadata_directory
    files = {name: _read(name).encode() for name in _sources()}
    return _write_wheel(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """A wheel that only points here: `pip install -e`."""
    del config_settings, metadata_directory
    return _write_wheel(wheel_directory, {f"{PACKAGE}.pth": HERE.encode() + b"\n"})


def build_sdist(sdist_directory, config_settings=None):
    """What is needed to make the wheel elsewhere."""
    del config_settings
    project = _project()
    stem = f"{project['name']}-{project['version']}"
    names = ["pyproject.toml", "wheel_backend.py", "README.md", *_sources()]
    sdist = f"{stem}.tar.gz"
    with tarfile.open(os.path.join(sdist_directory, sdist), "w:gz") as archive:
        for name in names:
            archive.add(os.path.join(HERE, name), f"{stem}/{name}")
    return sdist
