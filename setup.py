"""What differs from a pure Python project; everything else stands in pyproject.toml."""

from commands import BuildWithNativeLibrary, PlatformDistribution, PlatformWheel
from setuptools import setup

setup(
    cmdclass={"build_py": BuildWithNativeLibrary, "bdist_wheel": PlatformWheel},
    distclass=PlatformDistribution,
)
