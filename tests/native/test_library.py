"""The compiled library: found, loaded, and missed with a message that helps."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from etapromise import native
from etapromise.errors import EtapromiseError
from etapromise.native import NativeLibraryError


def test_a_missing_library_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "_etapromise.so"
    monkeypatch.setattr(native, "library_path", lambda: str(missing))
    with pytest.raises(NativeLibraryError, match=r"is missing\. Reinstall etapromise") as caught:
        native.function("etp_simd_level", "i")
    assert isinstance(caught.value, EtapromiseError)
    assert isinstance(caught.value, ImportError)
    assert str(missing) in str(caught.value)


def test_a_library_for_another_machine_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "_etapromise.so"
    other.write_bytes(b"\x7fELF for something else")
    monkeypatch.setattr(native, "library_path", lambda: str(other))
    with pytest.raises(NativeLibraryError, match=r"does not load on this machine"):
        native.function("etp_simd_level", "i")


def test_an_old_library_says_what_to_do() -> None:
    with pytest.raises(NativeLibraryError, match=r"no function etp_of_tomorrow: it is older"):
        native.function("etp_of_tomorrow", "")


def test_a_function_has_its_prototype() -> None:
    level = native.function("etp_simd_level", "i")
    assert level.restype is ctypes.c_int32
    assert level() in (0, 1, 2)


def test_the_library_loads_without_numpy() -> None:
    script = (
        "import sys, types\n"
        "package = types.ModuleType('etapromise')\n"
        f"package.__path__ = {[str(Path(native.__file__).parent.parent)]!r}\n"
        "sys.modules['etapromise'] = package\n"
        "from etapromise import native\n"
        "native.function('etp_simd_level', 'i')()\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
