"""Find a C compiler and turn src/etapromise/native/*.c into one shared library.

`python build_backend/compiler.py` rebuilds the library in place, for whoever edits a kernel.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

__all__ = ["LIBRARY_NAME", "ZIG_REQUIREMENT", "compile_library", "system_compiler"]

ZIG_REQUIREMENT = "ziglang>=0.12"
LIBRARY_NAME = "_etapromise" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
SOURCES = Path(__file__).resolve().parent.parent / "src" / "etapromise" / "native"

# No -march: one library runs on every machine of its architecture and picks faster code paths at
# run time. No -ffast-math and no fused multiply-add: every code path must give the same bits.
FLAGS = [
    "-std=c11",
    "-O3",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wextra",
    "-Werror=implicit-function-declaration",  # else a library comes out that does not load
    "-shared",
]
# What the kernels need: a compiler without the C library's headers fails here, not amid a build.
PROBE = """
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
double probe(double x) { return floor(x); }
"""


def system_compiler() -> list[str] | None:
    """The command of a C compiler that works here, or None.

    The environment's CC is taken as it is: if it does not work, the build shall fail and say so,
    because whoever sets CC means it.
    """
    if chosen := os.environ.get("CC"):
        return shlex.split(chosen, posix=os.name != "nt")
    for name in ("cc", "gcc", "clang"):
        if (found := shutil.which(name)) and _works([found]):
            return [found]
    return None


def compile_library(target: Path) -> None:
    """Compile every kernel into the shared library `target`."""
    compiler = system_compiler() or _zig_compiler()
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    target.parent.mkdir(parents=True, exist_ok=True)
    # A running process may have the old library mapped: replace the file, never write into it.
    temporary = target.with_name(f"{target.name}.{os.getpid()}.new")
    command = [*compiler, *_flags(), *sources, "-o", str(temporary), *_libraries()]
    print("compiling the native library:", shlex.join(command), flush=True)
    try:
        subprocess.run(command, check=True)
        temporary.replace(target)
    except (OSError, subprocess.CalledProcessError) as error:
        message = (
            f"The native library could not be compiled with {shlex.join(compiler)}: {error}. "
            "Expected a C11 compiler. Set CC to one that works, or unset CC to use the system's "
            "compiler or ziglang."
        )
        raise SystemExit(message) from error
    finally:
        temporary.unlink(missing_ok=True)


def _zig_compiler() -> list[str]:
    # zig compiles for the very machine it runs on unless told otherwise; a wheel runs elsewhere.
    return [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]


def _flags() -> list[str]:
    flags = list(FLAGS)
    if sys.platform != "win32":
        flags += ["-fPIC", "-fstack-protector-strong"]
    if sys.platform.startswith("linux"):
        # The tables of addresses are read-only once the library is loaded.
        flags.append("-Wl,-z,relro,-z,now")
    if sanitizer := os.environ.get("ETAPROMISE_SANITIZE"):
        flags += [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=undefined", "-g"]
    if "universal2" in sysconfig.get_platform():
        flags += ["-arch", "arm64", "-arch", "x86_64"]
    return flags


def _libraries() -> list[str]:
    return [] if sys.platform == "win32" else ["-lm"]


def _works(compiler: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(PROBE, encoding="utf-8")
        target = Path(folder, "probe.out")
        command = [*compiler, *_flags(), str(source), "-o", str(target), *_libraries()]
        try:
            return subprocess.run(command, check=False, capture_output=True).returncode == 0
        except OSError:
            return False


if __name__ == "__main__":
    compile_library(SOURCES / LIBRARY_NAME)
