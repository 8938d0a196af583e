"""What a package offers: `__all__` is there, sorted, and each of its names exists.

A module that only defines things has none: what it offers is what begins with no underscore.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import etapromise

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(etapromise.__path__, "etapromise.")
    if not module.name.endswith(("__main__", "._etapromise"))  # the latter is the C library
)


def ordered(name):
    """isort's order, which ruff keeps: CONSTANTS, Classes, functions."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


def test_the_package_offers_what_it_says():
    assert etapromise.__all__ == sorted(etapromise.__all__, key=ordered)
    assert set(dir(etapromise)) == set(etapromise.__all__)
    for name in etapromise.__all__:
        assert getattr(etapromise, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        etapromise.nonsense  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_only_what_hands_names_on_lists_them(name):
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if listed is None:
        return
    assert listed == sorted(set(listed), key=ordered)
    assert all(hasattr(module, member) for member in listed)
    values = [getattr(module, member) for member in listed]
    assert any(getattr(value, "__module__", None) != name for value in values)
