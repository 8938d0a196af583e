"""The build backend: which compiler it takes, and that every kernel gets into the library."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from etapromise import native

BACKEND = Path(__file__).parent.parent.parent / "build_backend"


def module_from(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BACKEND / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = module_from("compiler")
    monkeypatch.setitem(sys.modules, "compiler", module)
    monkeypatch.delenv("CC", raising=False)
    return module


def program(path: Path, *, exit_code: int) -> str:
    path.write_text(f"#!/bin/sh\nexit {exit_code}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_environment_chooses_the_compiler(
    compiler: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "ccache gcc -m64")
    assert compiler.system_compiler() == ["ccache", "gcc", "-m64"]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")
def test_a_compiler_that_does_not_work_is_passed_over(
    compiler: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "cc", exit_code=1)
    working = program(tmp_path / "clang", exit_code=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler.system_compiler() == [working]


def test_without_a_compiler_ziglang_is_asked_for(
    compiler: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler.system_compiler() is None
    command = compiler._zig_compiler()
    assert command[1:4] == ["-m", "ziglang", "cc"]
    assert "-mcpu=baseline" in command
    backend = module_from("backend")
    for hook in ("get_requires_for_build_wheel", "get_requires_for_build_editable"):
        monkeypatch.setattr(backend.build_meta, hook, lambda _settings: ["setuptools"])
        assert getattr(backend, hook)() == ["setuptools", "ziglang>=0.12"]
        monkeypatch.setenv("CC", "cc")
        assert getattr(backend, hook)() == ["setuptools"]
        monkeypatch.delenv("CC")


def test_a_compiler_that_fails_ends_the_build_with_a_reason(
    compiler: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(SystemExit, match="could not be compiled with no-such-compiler"):
        compiler.compile_library(tmp_path / "library.so")
    assert list(tmp_path.iterdir()) == []


def test_every_exported_function_is_in_the_library(compiler: ModuleType) -> None:
    """In the one that the build made: of older sources it would lack some."""
    library = ctypes.CDLL(native.library_path())
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in compiler.SOURCES.glob("*.[ch]")
    )
    declared = re.findall(r"ETP_EXPORT[\w\s*]*?\b(etp_\w+)\(", sources)
    assert len(declared) > 5
    for name in declared:
        assert hasattr(library, name), name


def test_no_flag_ties_the_library_to_this_machine_or_changes_its_numbers(
    compiler: ModuleType,
) -> None:
    flags = compiler._flags()
    assert "-ffp-contract=off" in flags
    assert not [
        flag for flag in flags if flag.startswith(("-march", "-mcpu", "-ffast-math", "-Ofast"))
    ]


def test_the_loader_and_the_build_agree_on_the_name(compiler: ModuleType) -> None:
    assert Path(native.library_path()).name == compiler.LIBRARY_NAME
