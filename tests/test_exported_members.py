"""What a module offers: `__all__` is there, sorted, and the whole of its public names."""

from __future__ import annotations

import importlib
import inspect
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
def test_a_module_offers_its_public_names_and_no_others(name):
    module = importlib.import_module(name)
    defined = {
        member
        for member, value in vars(module).items()
        if not member.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
    if not defined and not hasattr(module, "__all__"):
        return  # an empty package
    assert module.__all__ == sorted(module.__all__, key=ordered)
    assert len(set(module.__all__)) == len(module.__all__)
    missing = {member for member in module.__all__ if not hasattr(module, member)}
    assert not missing
