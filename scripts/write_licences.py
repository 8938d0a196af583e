"""Write docs/licences.md: what etapromise and its extras install, and under which licence.

    python scripts/write_licences.py

Read from the packages that are installed; those that another system or Python needs are not among
them. A licence that is not on the list of those that may be passed on with a program of any licence
ends the run: somebody has to look at it.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PAGE = Path(__file__).resolve().parent.parent / "docs" / "licences.md"
EXTRAS = ("train", "serve", "tune", "excel", "remote", "signing", "dask", "spark")
FREE = ("0BSD", "Apache", "BSD", "CC0", "ISC", "LGPL", "MIT", "MPL", "PSF", "Python", "Zlib", "ZPL")
HEAD = """# Licences

What `pip install etapromise` and its extras install beside it, and under which licence, as their
makers say it. `python scripts/write_licences.py` writes this page and refuses a licence that nobody
has looked at. `requirements.lock` has the versions and hashes; `make lock` renews both.

| package | needed by | licence |
|---|---|---|
"""


def licences() -> dict[str, tuple[str, str]]:
    """By name: the extra that needs a package first ("" for etapromise itself), and its licence."""
    found: dict[str, tuple[str, str]] = {}
    for extra in ("", *EXTRAS):
        waiting = [("etapromise", extra)]
        while waiting:
            name, chosen = waiting.pop()
            for line in distribution(name).requires or ():
                asked = Requirement(line)
                if asked.marker is not None and not asked.marker.evaluate({"extra": chosen}):
                    continue
                key = asked.name.lower().replace("_", "-")
                if key in found:
                    continue
                try:
                    found[key] = (extra, licence_of(key))
                except PackageNotFoundError:
                    continue
                waiting += [(key, each) for each in (asked.extras or {""})]
    return found


def licence_of(name: str) -> str:
    """What its metadata say: an SPDX expression, else classifiers, else a text's first line."""
    told = distribution(name).metadata
    classifiers = [
        one.rpartition(" :: ")[2].removesuffix(" License")
        for one in told.get_all("Classifier") or ()
        if one.startswith("License :: OSI Approved ::")
    ]
    stated = (told.get("License") or "").strip()
    return (
        told.get("License-Expression")
        or ", ".join(classifiers)
        or (stated.splitlines() or ["not stated"])[0]
    )


def page() -> str:
    """The page.

    Raises:
        SystemExit: a licence is of no known kind.
    """
    found = licences()
    strange = [
        f"{name}: {licence}"
        for name, (_, licence) in found.items()
        if not re.search("|".join(FREE), licence) or re.search(r"\bA?GPL", licence)
    ]
    if strange:
        sys.exit(f"look at {'; '.join(strange)}, and add what may be used to FREE")
    rows = [
        f"| {name} | {extra or '—'} | {said} |" for name, (extra, said) in sorted(found.items())
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
