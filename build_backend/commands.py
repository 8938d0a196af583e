"""setuptools commands: compile the kernels, and mark the wheel as this platform's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bill_of_materials import bill_of_materials
from compiler import LIBRARY_NAME, SOURCES, compile_library
from setuptools import Distribution
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

__all__ = ["BuildWithNativeLibrary", "PlatformDistribution", "PlatformWheel"]


class BuildWithNativeLibrary(build_py):
    """`build_py` that also compiles the shared library: beside its sources when editable."""

    def run(self) -> None:
        """Copy the Python files as ever, then compile."""
        super().run()
        # Last, so that a stale library copied from an editable install is replaced.
        compile_library(self._library())

    def _library(self) -> Path:
        if self.editable_mode:
            return SOURCES / LIBRARY_NAME
        return Path(self.build_lib, "etapromise", "native", LIBRARY_NAME)


class PlatformDistribution(Distribution):
    """A distribution with compiled code in it, although it has no extension modules."""

    def has_ext_modules(self) -> bool:
        """True: the wheel goes to the platform's folder and bears its name."""
        return True


class PlatformWheel(bdist_wheel):
    """A wheel for every Python 3 of this platform: ctypes needs no Python ABI."""

    def get_tag(self) -> tuple[str, str, str]:
        """`py3-none-<platform>`."""
        return ("py3", "none", super().get_tag()[2])

    def write_wheelfile(self, wheelfile_base: str, *args: Any, **kwargs: Any) -> None:
        """Beside the wheel's own description goes its bill of materials."""
        super().write_wheelfile(wheelfile_base, *args, **kwargs)
        bills = Path(wheelfile_base, "sboms")
        bills.mkdir(exist_ok=True)
        (bills / "etapromise.cdx.json").write_text(bill_of_materials(), encoding="utf-8")
