"""PEP 517 backend: setuptools, plus a C compiler from PyPI where the machine has none.

The kernels in src/etapromise/native need a C compiler. Most machines have one; where none works,
`ziglang` (a wheel with a whole C toolchain) joins the build requirements, so that `pip install`
needs only Python.
"""

from __future__ import annotations

from compiler import ZIG_REQUIREMENT, system_compiler
from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = dict[str, str | list[str] | None] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """The requirements of setuptools, and ziglang if no C compiler works here."""
    return build_meta.get_requires_for_build_wheel(config_settings) + _compiler_requirement()


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """The same for `pip install -e .`."""
    return build_meta.get_requires_for_build_editable(config_settings) + _compiler_requirement()


def _compiler_requirement() -> list[str]:
    return [] if system_compiler() else [ZIG_REQUIREMENT]
