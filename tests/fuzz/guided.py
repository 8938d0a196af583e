"""The targets under atheris, which follows the branches that a case takes: what it keeps, it keeps.

    python -m tests.fuzz.guided toml --count 200000 --corpus output/fuzz/toml

Needs `pip install atheris`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from pathlib import Path

import atheris

TARGETS = ("calls", "tables", "files", "payloads", "toml")


def main() -> None:
    """Fuzz one target; atheris ends the process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--corpus", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=["etapromise", "tests.fuzz"]):
        target = importlib.import_module(f"tests.fuzz.{asked.target}")
    corpus = asked.corpus or Path("output/fuzz", asked.target)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.SEEDS):
        (corpus / f"seed{number}").write_bytes(seed)

    def one(data: bytes) -> None:
        target.case(data)

    atheris.Setup([sys.argv[0], f"-runs={asked.count}", "-max_len=8192", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
